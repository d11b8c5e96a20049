"""A Hub on localhost: the HTTP endpoints that huggingface_hub's client uses, spoken by the standard library.

Repositories, branches, commits (ndjson), LFS and xet uploads, downloads with ETag, redirects and ranges,
collections; and faults on demand: any status, a connection cut after so many bytes.
"""

import base64
import contextlib
import dataclasses
import json
import re
import sys
import threading
import time
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

from tests.hub_state import Account, Blob, Hub, Refused, Repo, Tree
from tests.hub_xet import XetStore

LARGE_SUFFIX = ".safetensors"


@dataclasses.dataclass
class Fault:
    """Something that goes wrong with the next `times` requests whose "METHOD /path" matches `pattern`."""

    pattern: str
    times: int = 1
    status: int | None = None
    """Answer with this instead of doing anything."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    cut_after: int | None = None
    """Close the connection after so many bytes of the answer's body (or before reading a body that is uploaded)."""


class HubServer(ThreadingHTTPServer):
    """The Hub's address is `endpoint`; what it holds is `hub`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = f"http://localhost:{self.server_port}"
        self.storage = f"http://127.0.0.1:{self.server_port}"
        """Another origin, as the Hub's storage is: the client must not send its token there."""
        self.reset()

    def reset(self) -> None:
        """An empty Hub without faults. Tokens: hf_write and hf_read of your-name, hf_other of someone-else."""
        self.hub, self.xet = Hub(), XetStore()
        self.hub.accounts = {
            "hf_write": Account("your-name", orgs=("your-team",)),
            "hf_read": Account("your-name", role="read"),
            "hf_other": Account("someone-else"),
        }
        self.faults: list[Fault] = []
        self.mistakes: list[str] = []
        self.ranges: list[str | None] = []
        """Range headers of the storage's requests."""
        self.requests: list[str] = []
        """"METHOD /path" of every request so far."""

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
        if name not in self.hub.repos:
            self.hub.repos[name] = Repo(name, private)
        repo = self.hub.repos[name]
        repo.branches.setdefault(branch, repo.branches["main"])
        return repo.commit(branch, {path: Blob(data, path.endswith(LARGE_SUFFIX)) for path, data in files.items()}, "x")

    def files(self, name: str, revision: str = "main") -> Tree:
        """What a repository holds."""
        repo = self.hub.repos[name]
        return repo.trees[repo.resolve(revision)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news; the server's own mistakes are kept for the test."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.mistakes.append("".join(traceback.format_exception(error)))


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


_Route = tuple[str, re.Pattern[str], Callable[..., None]]
_ROUTES: list[_Route] = []
_REPO = r"(?P<repo>[^/]+/[^/]+)"


def _route(method: str, pattern: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def enter(function: Callable[..., None]) -> Callable[..., None]:
        _ROUTES.append((method, re.compile(pattern), function))
        return function

    return enter


class _Handler(BaseHTTPRequestHandler):
    """One request: look for a fault, then for the route."""

    server: HubServer
    protocol_version = "HTTP/1.1"
    _cut_after: int | None = None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Quiet."""

    def _handle(self) -> None:
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        request = f"{self.command} {urllib.parse.unquote(path)}"
        self.server.requests.append(request)
        fault = self.server.fault_for(request)
        self._cut_after = fault.cut_after if fault else None
        if self._cut_after is not None and self.command in ("POST", "PUT"):
            self.close_connection = True  # in the middle of what is uploaded
            self.connection.close()
            return
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if fault and fault.status:
                raise Refused(fault.status, "asked for by the test", headers=fault.headers)
            self._dispatch(path)
        except Refused as error:
            self._refuse(error)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _dispatch(self, path: str) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if path.startswith("/storage/") and token and not path.startswith("/storage/cas"):
            raise Refused(400, "the token must not leave the Hub")
        self.account = None if path.startswith("/storage/") else self.server.hub.account(token)
        for method, pattern, function in _ROUTES:
            found = pattern.fullmatch(path)
            if found and method in (self.command, "GET" if self.command == "HEAD" else None):
                given = {key: value for key, value in found.groupdict().items() if value is not None}
                return function(self, **{key: urllib.parse.unquote(value) for key, value in given.items()})
        raise Refused(404, f"No route {self.command} {path}")

    def _refuse(self, error: Refused) -> None:
        more = dict(error.more)
        headers: Any = more.pop("headers", {})
        headers = {"X-Error-Message": error.text, **headers}
        if error.code:
            headers["X-Error-Code"] = error.code
        self.answer({"error": error.text, **more}, status=error.status, headers=headers)

    def answer(self, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send(
            json.dumps(value).encode(), status=status, headers={"Content-Type": "application/json"} | (headers or {})
        )

    def send(self, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self._cut_after is not None:
            self.wfile.write(body[: self._cut_after])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(body)

    def send_ranged(self, content: bytes, headers: dict[str, str] | None = None) -> None:
        """The content, or the part of it that a Range header asks for."""
        self.server.ranges.append(self.headers.get("Range"))
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not found:
            return self.send(content, headers={"Accept-Ranges": "bytes"} | (headers or {}))
        start, end = int(found[1]), min(int(found[2] or len(content) - 1), len(content) - 1)
        if start > end:
            raise Refused(416, "Range not satisfiable", headers={"Content-Range": f"bytes */{len(content)}"})
        span = {"Content-Range": f"bytes {start}-{end}/{len(content)}"} | (headers or {})
        self.send(content[start : end + 1], status=206, headers=span)

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    # who, and which repositories

    @_route("GET", "/api/whoami-v2")
    def whoami(self) -> None:
        if self.account is None:
            raise Refused(401, "Invalid username or password.")
        access = {"displayName": "test", "role": self.account.role}
        orgs = [{"name": name, "type": "org"} for name in self.account.orgs]
        self.answer(
            {
                "type": "user",
                "name": self.account.name,
                "orgs": orgs,
                "auth": {"type": "access_token", "accessToken": access},
            }
        )

    @_route("POST", "/api/repos/create")
    def create_repo(self) -> None:
        asked = self.json()
        owner = asked["organization"] or (self.account.name if self.account else "")
        name = f"{owner}/{asked['name']}"
        url = f"{self.server.endpoint}/{name}"
        private = asked.get("visibility") == "private"
        self.server.hub.create_repo(name, private=private, account=self.account, url=url)
        self.answer({"url": url, "name": name, "id": name})

    @_route("POST", "/api/validate-yaml")
    def validate_yaml(self) -> None:
        content = self.json()["content"]
        front = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        try:
            metadata = yaml.safe_load(front[1]) if front else {}
        except yaml.YAMLError as error:
            return self.answer({"errors": [{"message": str(error)}], "warnings": []}, status=400)
        errors = [
            {"message": f'"{key}" must be a string'} for key in ("license",) if not isinstance(metadata.get(key), str)
        ]
        warnings = [] if metadata else [{"message": "empty or missing yaml metadata in repo card"}]
        self.answer({"errors": errors, "warnings": warnings}, status=400 if errors else 200)

    @_route("GET", f"/api/models/{_REPO}(/revision/(?P<revision>[^/]+))?")
    def model_info(self, repo: str, revision: str | None = None) -> None:
        found = self.server.hub.readable(repo, self.account)
        sha = found.resolve(revision or "main")
        siblings = [{"rfilename": path} for path in found.trees[sha]]
        self.answer({"id": repo, "sha": sha, "private": found.private, "siblings": siblings, "tags": []})

    @_route("GET", f"/api/models/{_REPO}/tree/(?P<revision>[^/]+)")
    def tree(self, repo: str, revision: str) -> None:
        found = self.server.hub.readable(repo, self.account)
        self.answer([self._entry(path, blob) for path, blob in found.trees[found.resolve(revision)].items()])

    def _entry(self, path: str, blob: Blob) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.oid}
        if blob.large:
            entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
            if blob.sha256 in self.server.xet.by_sha256:
                entry["xetHash"] = self.server.xet.by_sha256[blob.sha256]
        return entry

    @_route("GET", f"/api/models/{_REPO}/refs")
    def refs(self, repo: str) -> None:
        found = self.server.hub.readable(repo, self.account)

        def listed(kind: str, names: dict[str, str]) -> list[dict[str, str]]:
            return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": sha} for name, sha in names.items()]

        self.answer({"branches": listed("heads", found.branches), "tags": listed("tags", found.tags), "converts": []})

    @_route("POST", f"/api/models/{_REPO}/branch/(?P<branch>[^/]+)")
    def create_branch(self, repo: str, branch: str) -> None:
        found = self.server.hub.writable(repo, self.account)
        self.server.hub.create_branch(found, branch, self.json().get("startingPoint"))
        self.answer({})

    # uploads

    @_route("POST", f"/api/models/{_REPO}/preupload/(?P<revision>[^/]+)")
    def preupload(self, repo: str, revision: str) -> None:
        found = self.server.hub.writable(repo, self.account)
        tree = found.trees[found.resolve(revision)]
        files = []
        for file in self.json()["files"]:
            large = file["path"].endswith(LARGE_SUFFIX)
            known = tree.get(file["path"])
            oid = None if known is None else known.sha256 if known.large else known.oid
            mode = "lfs" if large else "regular"
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.answer({"files": files})

    @_route("POST", rf"/{_REPO}\.git/info/lfs/objects/batch")
    def lfs_batch(self, repo: str) -> None:
        self.server.hub.writable(repo, self.account)
        objects = []
        for item in self.json()["objects"]:
            entry = {"oid": item["oid"], "size": item["size"], "authenticated": True}
            if item["oid"] not in self.server.hub.large:
                href = f"{self.server.storage}/storage/lfs/{item['oid']}"
                verify = f"{self.server.endpoint}/api/lfs-verify/{item['oid']}"
                entry["actions"] = {"upload": {"href": href}, "verify": {"href": verify}}
            objects.append(entry)
        self.answer({"transfer": "basic", "objects": objects})

    @_route("PUT", "/storage/lfs/(?P<oid>[0-9a-f]{64})")
    def lfs_put(self, oid: str) -> None:
        if Blob(self.body).sha256 != oid:
            raise Refused(400, "The content does not have the announced sha256")
        self.server.hub.large[oid] = self.body
        self.send(b"")

    @_route("POST", "/api/lfs-verify/(?P<oid>[0-9a-f]{64})")
    def lfs_verify(self, oid: str) -> None:
        if self.json()["size"] != len(self.server.hub.large.get(oid, b"")):
            raise Refused(404, "The content was not uploaded")
        self.answer({})

    @_route("POST", f"/api/models/{_REPO}/commit/(?P<revision>[^/]+)")
    def commit(self, repo: str, revision: str) -> None:
        found = self.server.hub.writable(repo, self.account)
        found.resolve(revision)
        changes: Tree = {}
        title = ""
        for line in self.body.splitlines():
            item = json.loads(line)
            key, value = item["key"], item["value"]
            if key == "header":
                title = value["summary"]
            elif key == "file":
                changes[value["path"]] = Blob(base64.b64decode(value["content"]))
            elif key == "lfsFile":
                changes[value["path"]] = Blob(self._large(value["oid"]), large=True)
            else:
                raise Refused(400, f"Not spoken here: {key}")
        sha = found.commit(revision, changes, title)
        self.answer({"commitOid": sha, "commitUrl": f"{self.server.endpoint}/{repo}/commit/{sha}", "success": True})

    def _large(self, sha256: str) -> bytes:
        if sha256 in self.server.xet.by_sha256:
            return self.server.xet.content(self.server.xet.by_sha256[sha256])
        if sha256 not in self.server.hub.large:
            raise Refused(400, f"LFS pointer pointed to a file that does not exist: {sha256}")
        return self.server.hub.large[sha256]

    # downloads

    @_route("GET", f"/(?:datasets/)?{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, repo: str, revision: str, path: str) -> None:
        found = self.server.hub.readable(repo, self.account)
        sha = found.resolve(revision)
        blob = found.trees[sha].get(path)
        if blob is None:
            raise Refused(404, "Entry not found", "EntryNotFound", headers={"X-Repo-Commit": sha})
        if not blob.large:
            return self.send_ranged(blob.content, {"X-Repo-Commit": sha, "ETag": f'"{blob.oid}"'})
        self.server.hub.large.setdefault(blob.sha256, blob.content)
        headers = {
            "X-Repo-Commit": sha,
            "X-Linked-Etag": f'"{blob.sha256}"',
            "X-Linked-Size": str(len(blob.content)),
            "Location": f"{self.server.storage}/storage/lfs/{blob.sha256}",
        }
        if blob.sha256 in self.server.xet.by_sha256:
            headers["X-Xet-Hash"] = self.server.xet.by_sha256[blob.sha256]
            token = f"{self.server.endpoint}/api/models/{repo}/xet-read-token/{sha}"
            headers["Link"] = f'<{token}>; rel="xet-auth"'
        self.send(b"", status=302, headers=headers)

    @_route("GET", "/storage/lfs/(?P<oid>[0-9a-f]{64})")
    def lfs_get(self, oid: str) -> None:
        self.send_ranged(self.server.hub.large[oid], {"ETag": f'"{oid}"'})

    # xet

    @_route("GET", f"/api/models/{_REPO}/xet-(?P<kind>read|write)-token/(?P<revision>[^/]+)")
    def xet_token(self, repo: str, kind: str, revision: str) -> None:
        if kind == "write":
            self.server.hub.writable(repo, self.account)
        else:
            self.server.hub.readable(repo, self.account)
        expires, address = int(time.time()) + 3600, f"{self.server.storage}/storage/cas"
        headers = {
            "X-Xet-Cas-Url": address,
            "X-Xet-Access-Token": f"xet-{kind}",
            "X-Xet-Token-Expiration": str(expires),
        }
        self.answer({"casUrl": address, "accessToken": f"xet-{kind}", "exp": expires}, headers=headers)

    def _check_xet(self, kind: str) -> None:
        if self.headers.get("Authorization") not in (f"Bearer xet-{kind}", "Bearer xet-write"):
            raise Refused(401, "no xet token")

    @_route("POST", "/storage/cas/v1/xorbs/default/(?P<name>[0-9a-f]{64})")
    def put_xorb(self, name: str) -> None:
        self._check_xet("write")
        self.answer({"was_inserted": self.server.xet.put_xorb(name, self.body)})

    @_route("POST", "/storage/cas/v1/shards")
    def put_shard(self) -> None:
        self._check_xet("write")
        try:
            self.server.xet.put_shard(self.body)
        except (ValueError, IndexError) as error:
            raise Refused(400, str(error)) from error
        self.answer({"result": 1})

    @_route("GET", "/storage/cas/v1/reconstructions/(?P<name>[0-9a-f]{64})")
    def reconstruction(self, name: str) -> None:
        self._check_xet("read")
        if name not in self.server.xet.files:
            raise Refused(404, "no such file")
        if self.headers.get("Range", "").startswith("bytes=") and not self.headers["Range"].startswith("bytes=0-"):
            raise Refused(416, "the first range is the whole file")
        self.answer(self.server.xet.reconstruction(name, f"{self.server.storage}/storage/xorbs"))

    @_route("GET", "/storage/xorbs/(?P<name>[0-9a-f]{64})")
    def get_xorb(self, name: str) -> None:
        self.send_ranged(self.server.xet.xorbs[name])

    # collections

    @_route("GET", "/api/collections")
    def list_collections(self) -> None:
        found = self.server.hub.collections.values()
        owned = [one for one in found if one["owner"]["name"] == self.query.get("owner", one["owner"]["name"])]
        self.answer([{key: value for key, value in one.items() if key != "position"} for one in owned])

    @_route("POST", "/api/collections")
    def create_collection(self) -> None:
        asked = self.json()
        self.server.hub.check_may_write(asked["namespace"], self.account)
        made = self.server.hub.create_collection(
            asked["title"], asked["namespace"], private=asked["private"], description=asked.get("description", "")
        )
        self.answer(made)

    @_route("GET", "/api/collections/(?P<slug>[^/]+/[^/]+)")
    def get_collection(self, slug: str) -> None:
        if slug not in self.server.hub.collections:
            raise Refused(404, "Collection not found")
        self.answer(self.server.hub.collections[slug])

    @_route("POST", "/api/collections/(?P<slug>[^/]+/[^/]+)/items")
    def add_item(self, slug: str) -> None:
        self.server.hub.check_may_write(slug.split("/")[0], self.account)
        self.answer(self.server.hub.add_item(slug, self.json()["item"]))
