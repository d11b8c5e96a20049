"""A minimal Hub on localhost: the API for repositories and collections that the package uses, with faults on demand."""

import base64
import contextlib
import dataclasses
import hashlib
import json
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import yaml

from tests.file_server import FaultyHandler, FaultyServer


class Refused(Exception):
    """An error response: HTTP status, text, and the error code that the client reads."""

    def __init__(self, status: int, text: str, code: str | None = None, **headers: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text
        self.headers = {"X-Error-Message": text} | ({"X-Error-Code": code} if code else {}) | headers


Tree = dict[str, bytes]
"""File contents by path."""
OWNERS = ("your-name", "your-team")
"""User and organisation that the tokens can access."""
_ROLES = {"hf_write": "write", "hf_read": "read"}
"""Role of each token."""


@dataclasses.dataclass
class Repo:
    """A model, dataset or Space repository."""

    name: str
    private: bool = False
    kind: str = "model"
    sdk: str | None = None
    branches: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    trees: dict[str, Tree] = dataclasses.field(default_factory=dict)
    titles: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": b""}, "initial commit")

    def commit(self, branch: str, changes: dict[str, bytes | None], title: str) -> str:
        """Add files, and remove those that are None. Returns the commit."""
        before = self.branches.get(branch, "")
        changed = self.trees.get(before, {}) | changes
        tree = {path: content for path, content in changed.items() if content is not None}
        sha = hashlib.sha1(repr((self.name, len(self.trees), before, title, sorted(tree.items()))).encode()).hexdigest()
        self.trees[sha], self.branches[branch] = tree, sha
        self.titles.append(title)
        return sha

    def resolve(self, revision: str) -> str:
        """Branch, tag or commit as a commit."""
        sha = self.branches.get(revision) or self.tags.get(revision) or revision
        if sha not in self.trees:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return sha


class HubServer(FaultyServer):
    """Serves `repos` and `collections` at `endpoint`."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.endpoint = f"http://localhost:{self.server_port}"
        self.reset()

    def reset(self) -> None:
        """Remove all repositories, collections, faults and records."""
        self.repos: dict[str, Repo] = {}
        self.collections: dict[str, dict[str, Any]] = {}
        self.faults, self.requests, self.bugs = [], [], []

    def put(self, name: str, files: dict[str, bytes], *, private: bool = False, branch: str = "main") -> str:
        """Commit files directly, without HTTP. Returns the commit."""
        repo = self.repos.setdefault(name, Repo(name, private))
        repo.branches.setdefault(branch, repo.branches["main"])
        return repo.commit(branch, dict(files), "x")

    def files(self, name: str, revision: str = "main") -> Tree:
        """Files of a repository at a revision."""
        repo = self.repos[name]
        return repo.trees[repo.resolve(revision)]


def oid_of(content: bytes) -> str:
    """Git object ID of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def served_hub() -> contextlib.AbstractContextManager[HubServer]:
    """Serve a Hub inside a `with` block."""
    return HubServer().serving()


_ROUTES: list[tuple[str, re.Pattern[str], Callable[..., None]]] = []
_API = r"/api/(?:models|datasets|spaces)/(?P<repo>[^/]+/[^/]+)"


def _route(method: str, pattern: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def enter(function: Callable[..., None]) -> Callable[..., None]:
        _ROUTES.append((method, re.compile(pattern), function))
        return function

    return enter


class _Handler(FaultyHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        request = f"{self.command} {urllib.parse.unquote(path)}"
        self.server.requests.append((request, self.headers.get("Range")))
        self.fault = self.server.fault_for(request)
        if self.fault.cut_after is not None and self.command in ("POST", "PUT"):
            self.close_connection = True
            self.connection.close()
            return
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if self.fault.status:
                raise Refused(self.fault.status, "asked for by the test", **self.fault.headers)
            self._dispatch(path)
        except Refused as error:
            self.answer({"error": error.text}, status=error.status, headers=error.headers)

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def _dispatch(self, path: str) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if token and token not in _ROLES:
            raise Refused(401, "Invalid credentials in Authorization header")
        self.role = _ROLES[token] if token else None
        for method, pattern, function in _ROUTES:
            found = pattern.fullmatch(path)
            if found and method in (self.command, "GET" if self.command == "HEAD" else None):
                given = {key: urllib.parse.unquote(value) for key, value in found.groupdict().items() if value}
                return function(self, **given)
        raise Refused(404, f"No route {self.command} {path}")

    def answer(self, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | (headers or {}))

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    def readable(self, name: str) -> Repo:
        repo = self.server.repos.get(name)
        if repo is not None and (not repo.private or self.role):
            return repo
        if (
            self.role is None
        ):  # like the Hub: without a token, missing and private repositories look the same, and no error code is sent
            raise Refused(401, "Invalid username or password.")
        raise Refused(404, "Repository not found", "RepoNotFound")

    def check_may_write(self, name: str) -> None:
        if self.role != "write" or not name.startswith(OWNERS):
            raise Refused(403, f"You don't have the rights to create a repository {name}")

    def writable(self, name: str) -> Repo:
        self.check_may_write(name)
        return self.readable(name)

    @_route("GET", "/api/whoami-v2")
    def whoami(self) -> None:
        auth = {"type": "access_token", "accessToken": {"displayName": "test", "role": self.role}}
        self.answer({"type": "user", "name": OWNERS[0], "orgs": [], "auth": auth})

    @_route("POST", "/api/repos/create")
    def create_repo(self) -> None:
        asked = self.json()
        name = f"{asked['organization'] or OWNERS[0]}/{asked['name']}"
        kind = asked.get("type") or "model"
        url = f"{self.server.endpoint}/{'spaces/' * (kind == 'space')}{name}"
        self.check_may_write(name)
        if name in self.server.repos:
            return self.answer({"error": "You already created this repo", "url": url, "name": name}, status=409)
        self.server.repos[name] = Repo(name, asked.get("visibility") == "private", kind, asked.get("sdk"))
        self.answer({"url": url, "name": name, "id": name})

    @_route("POST", "/api/validate-yaml")
    def validate_yaml(self) -> None:
        front = re.match(r"---\n(.*?)\n---\n", self.json()["content"], re.DOTALL)
        metadata = yaml.safe_load(front[1]) if front else {}
        errors = [] if isinstance(metadata.get("license"), str) else [{"message": '"license" must be a string'}]
        self.answer({"errors": errors, "warnings": []}, status=400 if errors else 200)

    @_route("GET", f"{_API}(/revision/(?P<revision>[^/]+))?")
    def info(self, repo: str, revision: str = "main") -> None:
        found = self.readable(repo)
        sha = found.resolve(revision)
        siblings = [{"rfilename": path} for path in found.trees[sha]]
        self.answer({"id": repo, "sha": sha, "private": found.private, "siblings": siblings, "tags": []})

    @_route("GET", f"{_API}/tree/(?P<revision>[^/]+)")
    def tree(self, repo: str, revision: str) -> None:
        found = self.readable(repo)
        tree = found.trees[found.resolve(revision)]
        sizes = [{"type": "file", "path": path, "size": len(tree[path]), "oid": oid_of(tree[path])} for path in tree]
        self.answer(sizes)

    @_route("POST", f"{_API}/branch/(?P<branch>[^/]+)")
    def create_branch(self, repo: str, branch: str) -> None:
        found = self.writable(repo)
        if branch in found.branches:
            raise Refused(409, f"Reference refs/heads/{branch} already exists")
        found.branches[branch] = found.resolve("main")
        self.answer({})

    @_route("POST", f"{_API}/preupload/(?P<revision>[^/]+)")
    def preupload(self, repo: str, revision: str) -> None:
        found = self.writable(repo)
        tree = found.trees[found.resolve(revision)]
        files = []
        for file in self.json()["files"]:
            path = file["path"]
            oid = oid_of(tree[path]) if path in tree else None
            files.append({"path": path, "uploadMode": "regular", "shouldIgnore": False, "oid": oid})
        self.answer({"files": files})

    @_route("POST", f"{_API}/commit/(?P<revision>[^/]+)")
    def commit(self, repo: str, revision: str) -> None:
        found = self.writable(repo)
        found.resolve(revision)
        changes: dict[str, bytes | None] = {}
        title = ""
        for line in self.body.splitlines():
            item = json.loads(line)
            key, value = item["key"], item["value"]
            if key == "header":
                title = value["summary"]
            elif key == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif key == "deletedFile":
                changes[value["path"]] = None
            else:
                raise Refused(400, f"Not supported here: {key}")
        sha = found.commit(revision, changes, title)
        self.answer({"commitOid": sha, "commitUrl": f"{self.server.endpoint}/{repo}/commit/{sha}", "success": True})

    @_route("GET", "/(?:datasets/|spaces/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, repo: str, revision: str, path: str) -> None:
        found = self.readable(repo)
        sha = found.resolve(revision)
        content = found.trees[sha].get(path)
        if content is None:
            raise Refused(404, "Entry not found", "EntryNotFound", **{"X-Repo-Commit": sha})
        self.send_ranged(content, {"X-Repo-Commit": sha, "ETag": f'"{oid_of(content)}"'})

    @_route("GET", "/api/collections")
    def list_collections(self) -> None:
        owner = self.query["owner"]
        owned = [one for one in self.server.collections.values() if one["owner"]["name"] == owner]
        self.answer([{key: value for key, value in one.items() if key != "position"} for one in owned])

    @_route("POST", "/api/collections")
    def create_collection(self) -> None:
        asked = self.json()
        self.check_may_write(asked["namespace"])
        slug = f"{asked['namespace']}/faces-{len(self.server.collections):024x}"
        made = {"slug": slug, "title": asked["title"], "owner": {"name": asked["namespace"]}, "items": []}
        made |= {"lastUpdated": "2026-01-01T00:00:00.000Z", "private": asked["private"], "theme": "orange"}
        self.server.collections[slug] = made | {"position": 0, "upvotes": 0}
        self.answer(self.server.collections[slug])

    @_route("GET", "/api/collections/(?P<slug>[^/]+/[^/]+)")
    def get_collection(self, slug: str) -> None:
        self.answer(self.server.collections[slug])

    @_route("POST", "/api/collections/(?P<slug>[^/]+/[^/]+)/items")
    def add_item(self, slug: str) -> None:
        self.check_may_write(slug)
        collection, item = self.server.collections[slug], self.json()["item"]
        items = collection["items"]
        if any(known["id"] == item["id"] for known in items):
            return self.answer({"error": "Item already in collection"}, status=409)
        items.append({"_id": f"{len(items):024x}", "position": len(items), **item})
        self.answer(collection)
