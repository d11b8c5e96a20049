"""A Hub on localhost, as far as the package needs it: repositories, LFS files, collections, and faults on demand."""

import base64
import contextlib
import dataclasses
import hashlib
import json
import re
import sys
import threading
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

LARGE_SUFFIXES = (".safetensors", ".tar")
"""Of files that go to LFS."""


@dataclasses.dataclass
class Fault:
    """What goes wrong with the next `times` requests whose "METHOD /path" matches `pattern`."""

    pattern: str
    times: int = 1
    status: int | None = None
    """Answer with this and do nothing."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    cut_after: int | None = None
    """Close the connection after so many bytes of the answer's body, or before reading an uploaded body."""


class Refused(Exception):
    """An answer with an HTTP status, a text, and the error code that the client reads."""

    def __init__(self, status: int, text: str, code: str | None = None, **headers: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text
        self.headers = {"X-Error-Message": text} | ({"X-Error-Code": code} if code else {}) | headers


@dataclasses.dataclass(frozen=True)
class Account:
    """The owner of a token."""

    name: str
    role: str = "write"
    orgs: tuple[str, ...] = ()

    def owns(self, repo: str) -> bool:
        return repo.partition("/")[0] in (self.name, *self.orgs)


@dataclasses.dataclass(frozen=True)
class Blob:
    """A file's content; git holds a pointer in place of large ones."""

    content: bytes
    large: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """Git's name of the blob."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        body = pointer.encode() if self.large else self.content
        return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


Tree = dict[str, Blob]


@dataclasses.dataclass
class Repo:
    """A repository of any type."""

    name: str
    private: bool = False
    kind: str = "model"
    sdk: str | None = None
    branches: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    trees: dict[str, Tree] = dataclasses.field(default_factory=dict)
    titles: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": Blob(b"*.safetensors filter=lfs\n")}, "initial commit")

    def commit(self, branch: str, changes: dict[str, Blob | None], title: str) -> str:
        """Add files, or remove those that are None; gives back the commit."""
        before = self.branches.get(branch, "")
        changed = self.trees.get(before, {}) | changes
        tree = {path: blob for path, blob in changed.items() if blob is not None}
        stamp = f"{self.name} {len(self.trees)} {before} {title} {sorted((path, b.oid) for path, b in tree.items())}"
        sha = hashlib.sha1(stamp.encode()).hexdigest()
        self.trees[sha], self.branches[branch] = tree, sha
        self.titles.append(title)
        return sha

    def resolve(self, revision: str) -> str:
        """Branch, tag or commit as a commit."""
        sha = self.branches.get(revision) or self.tags.get(revision) or revision
        if sha not in self.trees:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return sha


class HubServer(ThreadingHTTPServer):
    """Serves `repos` and `collections` at `endpoint`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = f"http://localhost:{self.server_port}"
        self.storage = f"http://127.0.0.1:{self.server_port}/storage/lfs"
        """Another origin than the endpoint, like the Hub's storage."""
        self.reset()

    def reset(self) -> None:
        """An empty Hub without faults."""
        self.repos: dict[str, Repo] = {}
        self.collections: dict[str, dict[str, Any]] = {}
        self.large: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.bugs: list[str] = []
        """Tracebacks of the server itself."""
        self.requests: list[str] = []
        """"METHOD /path" of every request."""

    def asked(self, pattern: str) -> int:
        """How many requests matched."""
        return sum(bool(re.search(pattern, request)) for request in self.requests)

    def fault_for(self, request: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, request):
                fault.times -= 1
                return fault
        return None

    def put(self, name: str, files: dict[str, bytes], *, private: bool = False, branch: str = "main") -> str:
        """Commit files without the network; gives back the commit."""
        repo = self.repos.setdefault(name, Repo(name, private))
        repo.branches.setdefault(branch, repo.branches["main"])
        blobs = {path: Blob(content, path.endswith(LARGE_SUFFIXES)) for path, content in files.items()}
        self.large |= {blob.sha256: blob.content for blob in blobs.values() if blob.large}
        return repo.commit(branch, blobs, "x")

    def files(self, name: str, revision: str = "main") -> Tree:
        """Content of a repository."""
        repo = self.repos[name]
        return repo.trees[repo.resolve(revision)]

    def readable(self, name: str, account: Account | None) -> Repo:
        repo = self.repos.get(name)
        if repo is not None and (not repo.private or (account is not None and account.owns(name))):
            return repo
        if account is None:  # the Hub does not tell strangers what exists, and sends no error code
            raise Refused(401, "Invalid username or password.")
        raise Refused(404, "Repository not found", "RepoNotFound")

    def check_may_write(self, name: str, account: Account | None) -> None:
        if account is None:
            raise Refused(401, "Invalid username or password.")
        if account.role != "write" or not account.owns(name):
            raise Refused(403, f"You don't have the rights to create a repository {name}")

    def writable(self, name: str, account: Account | None) -> Repo:
        repo = self.readable(name, account)
        self.check_may_write(name, account)
        return repo

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up; keep the server's own bugs for the test."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.bugs.append("".join(traceback.format_exception(error)))


@contextlib.contextmanager
def served_hub() -> Iterator[HubServer]:
    """A Hub while the block lasts."""
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


_ACCOUNTS = {
    "hf_write": Account("your-name", orgs=("your-team",)),
    "hf_read": Account("your-name", role="read"),
    "hf_other": Account("someone-else"),
}
"""By token."""
_ROUTES: list[tuple[str, re.Pattern[str], Callable[..., None]]] = []
_API = r"/api/(?:models|datasets|spaces)/(?P<repo>[^/]+/[^/]+)"


def _route(method: str, pattern: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def enter(function: Callable[..., None]) -> Callable[..., None]:
        _ROUTES.append((method, re.compile(pattern), function))
        return function

    return enter


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"
    cut_after: int | None = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Quiet."""

    def _handle(self) -> None:
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        request = f"{self.command} {urllib.parse.unquote(path)}"
        self.server.requests.append(request)
        fault = self.server.fault_for(request)
        self.cut_after = fault.cut_after if fault else None
        if self.cut_after is not None and self.command in ("POST", "PUT"):
            self.close_connection = True
            self.connection.close()
            return
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if fault and fault.status:
                raise Refused(fault.status, "asked for by the test", **fault.headers)
            self._dispatch(path)
        except Refused as error:
            self.answer({"error": error.text}, status=error.status, headers=error.headers)

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def _dispatch(self, path: str) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if token and path.startswith("/storage/"):
            raise Refused(400, "the token must not leave the Hub")
        if token and token not in _ACCOUNTS:
            raise Refused(401, "Invalid credentials in Authorization header")
        self.account = _ACCOUNTS[token] if token else None
        for method, pattern, function in _ROUTES:
            found = pattern.fullmatch(path)
            if found and method in (self.command, "GET" if self.command == "HEAD" else None):
                given = {key: urllib.parse.unquote(value) for key, value in found.groupdict().items() if value}
                return function(self, **given)
        raise Refused(404, f"No route {self.command} {path}")

    def answer(self, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | (headers or {}))

    def send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: self.cut_after])
        if self.cut_after is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @_route("GET", "/api/whoami-v2")
    def whoami(self) -> None:
        if self.account is None:
            raise Refused(401, "Invalid username or password.")
        token = {"displayName": "test", "role": self.account.role}
        auth = {"type": "access_token", "accessToken": token}
        self.answer({"type": "user", "name": self.account.name, "orgs": [], "auth": auth})

    @_route("POST", "/api/repos/create")
    def create_repo(self) -> None:
        asked = self.json()
        name = f"{asked['organization'] or (self.account.name if self.account else '')}/{asked['name']}"
        kind = asked.get("type") or "model"
        url = f"{self.server.endpoint}/{'spaces/' * (kind == 'space')}{name}"
        self.server.check_may_write(name, self.account)
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
        found = self.server.readable(repo, self.account)
        sha = found.resolve(revision)
        siblings = [{"rfilename": path} for path in found.trees[sha]]
        self.answer({"id": repo, "sha": sha, "private": found.private, "siblings": siblings, "tags": []})

    @_route("GET", f"{_API}/tree/(?P<revision>[^/]+)")
    def tree(self, repo: str, revision: str) -> None:
        found = self.server.readable(repo, self.account)
        entries = []
        for path, blob in found.trees[found.resolve(revision)].items():
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.oid}
            if blob.large:
                entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
            entries.append(entry)
        self.answer(entries)

    @_route("POST", f"{_API}/branch/(?P<branch>[^/]+)")
    def create_branch(self, repo: str, branch: str) -> None:
        found = self.server.writable(repo, self.account)
        if branch in found.branches:
            raise Refused(409, f"Reference refs/heads/{branch} already exists")
        found.branches[branch] = found.resolve("main")
        self.answer({})

    @_route("POST", f"{_API}/preupload/(?P<revision>[^/]+)")
    def preupload(self, repo: str, revision: str) -> None:
        found = self.server.writable(repo, self.account)
        tree = found.trees[found.resolve(revision)]
        files = []
        for file in self.json()["files"]:
            known = tree.get(file["path"])
            oid = None if known is None else known.sha256 if known.large else known.oid
            mode = "lfs" if file["path"].endswith(LARGE_SUFFIXES) else "regular"
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.answer({"files": files})

    @_route("POST", r"/(?:spaces/)?(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch")
    def lfs_batch(self, repo: str) -> None:
        self.server.writable(repo, self.account)
        objects = []
        for item in self.json()["objects"]:
            entry = {"oid": item["oid"], "size": item["size"], "authenticated": True}
            if item["oid"] not in self.server.large:
                entry["actions"] = {"upload": {"href": f"{self.server.storage}/{item['oid']}"}}
            objects.append(entry)
        self.answer({"transfer": "basic", "objects": objects})

    @_route("PUT", "/storage/lfs/(?P<oid>[0-9a-f]{64})")
    def lfs_put(self, oid: str) -> None:
        if Blob(self.body).sha256 != oid:
            raise Refused(400, "The content does not have the announced sha256")
        self.server.large[oid] = self.body
        self.send(b"")

    @_route("GET", "/storage/lfs/(?P<oid>[0-9a-f]{64})")
    def lfs_get(self, oid: str) -> None:
        content = self.server.large[oid]
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if found is None:
            return self.send(content, 200, {"ETag": f'"{oid}"'})
        start = int(found[1])
        self.send(content[start:], 206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"})

    @_route("POST", f"{_API}/commit/(?P<revision>[^/]+)")
    def commit(self, repo: str, revision: str) -> None:
        found = self.server.writable(repo, self.account)
        found.resolve(revision)
        changes: dict[str, Blob | None] = {}
        title = ""
        for line in self.body.splitlines():
            item = json.loads(line)
            key, value = item["key"], item["value"]
            if key == "header":
                title = value["summary"]
            elif key == "file":
                changes[value["path"]] = Blob(base64.b64decode(value["content"]))
            elif key == "lfsFile":
                changes[value["path"]] = Blob(self.server.large[value["oid"]], large=True)
            elif key == "deletedFile":
                changes[value["path"]] = None
            else:
                raise Refused(400, f"Not supported here: {key}")
        sha = found.commit(revision, changes, title)
        self.answer({"commitOid": sha, "commitUrl": f"{self.server.endpoint}/{repo}/commit/{sha}", "success": True})

    @_route("GET", "/(?:datasets/|spaces/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, repo: str, revision: str, path: str) -> None:
        found = self.server.readable(repo, self.account)
        sha = found.resolve(revision)
        blob = found.trees[sha].get(path)
        if blob is None:
            raise Refused(404, "Entry not found", "EntryNotFound", **{"X-Repo-Commit": sha})
        headers = {"X-Repo-Commit": sha, "ETag": f'"{blob.oid}"'}
        if not blob.large:
            return self.send(blob.content, 200, headers)
        linked = {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.content))}
        self.send(b"", 302, headers | linked | {"Location": f"{self.server.storage}/{blob.sha256}"})

    @_route("GET", "/api/collections")
    def list_collections(self) -> None:
        owner = self.query["owner"]
        owned = [one for one in self.server.collections.values() if one["owner"]["name"] == owner]
        self.answer([{key: value for key, value in one.items() if key != "position"} for one in owned])

    @_route("POST", "/api/collections")
    def create_collection(self) -> None:
        asked = self.json()
        self.server.check_may_write(asked["namespace"], self.account)
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
        self.server.check_may_write(slug, self.account)
        collection, item = self.server.collections[slug], self.json()["item"]
        items = collection["items"]
        if any(known["id"] == item["id"] for known in items):
            return self.answer({"error": "Item already in collection"}, status=409)
        items.append({"_id": f"{len(items):024x}", "position": len(items), **item})
        self.answer(collection)
