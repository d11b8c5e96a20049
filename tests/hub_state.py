"""What a Hub remembers: accounts, repositories with branches and commits, collections. No HTTP in here."""

import dataclasses
import hashlib
from typing import Any


class Refused(Exception):
    """The Hub says no: an HTTP status, its text, and the code that the client looks at."""

    def __init__(self, status: int, text: str, code: str | None = None, **more: object) -> None:
        super().__init__(text)
        self.status, self.text, self.code, self.more = status, text, code, more


@dataclasses.dataclass(frozen=True)
class Account:
    """Whom a token belongs to, and what the token may do."""

    name: str
    role: str = "write"
    orgs: tuple[str, ...] = ()

    def may_write(self, owner: str) -> bool:
        return self.role == "write" and owner in (self.name, *self.orgs)


@dataclasses.dataclass(frozen=True)
class Blob:
    """A file's content; `large` ones stand in git as a pointer."""

    content: bytes
    large: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """Git's name of the blob; of the pointer for large ones."""
        body = self.content
        if self.large:
            body = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
            ).encode()
        return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


Tree = dict[str, Blob]


@dataclasses.dataclass
class Repo:
    """A model repository."""

    name: str
    private: bool
    branches: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    trees: dict[str, Tree] = dataclasses.field(default_factory=dict)
    titles: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": Blob(b"*.safetensors filter=lfs\n")}, "initial commit")

    def commit(self, branch: str, changes: Tree, title: str) -> str:
        """Add files; gives back the commit's name."""
        before = self.branches.get(branch, "")
        tree = self.trees.get(before, {}) | changes
        stamp = f"{self.name} {len(self.trees)} {before} {title} {sorted((path, b.oid) for path, b in tree.items())}"
        sha = hashlib.sha1(stamp.encode()).hexdigest()
        self.trees[sha] = tree
        self.branches[branch] = sha
        self.titles.append(title)
        return sha

    def resolve(self, revision: str) -> str:
        """Branch, tag or commit as a commit."""
        sha = self.branches.get(revision) or self.tags.get(revision) or revision
        if sha not in self.trees:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return sha


class Hub:
    """Everything, with the rules of who may do what."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.repos: dict[str, Repo] = {}
        self.collections: dict[str, dict[str, Any]] = {}
        self.large: dict[str, bytes] = {}
        """Contents of large files by sha256, uploaded but perhaps in no commit yet."""

    def account(self, token: str | None) -> Account | None:
        if token is None:
            return None
        if token not in self.accounts:
            raise Refused(401, "Invalid credentials in Authorization header")
        return self.accounts[token]

    def readable(self, name: str, account: Account | None) -> Repo:
        repo = self.repos.get(name)
        allowed = repo is not None and (
            not repo.private or (account is not None and name.split("/")[0] in (account.name, *account.orgs))
        )
        if repo is not None and allowed:
            return repo
        if account is None:  # the Hub does not tell strangers what exists; it sends no error code with this
            raise Refused(401, "Invalid username or password.")
        raise Refused(404, "Repository not found", "RepoNotFound")

    def writable(self, name: str, account: Account | None) -> Repo:
        repo = self.readable(name, account)
        self.check_may_write(name.split("/")[0], account)
        return repo

    @staticmethod
    def check_may_write(owner: str, account: Account | None) -> None:
        if account is None:
            raise Refused(401, "Invalid username or password.")
        if not account.may_write(owner):
            raise Refused(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')

    def create_repo(self, name: str, *, private: bool, account: Account | None, url: str) -> Repo:
        self.check_may_write(name.split("/")[0], account)
        if name in self.repos:
            raise Refused(409, "You already created this model repo", url=url, name=name)
        self.repos[name] = Repo(name, private)
        return self.repos[name]

    def create_branch(self, repo: Repo, branch: str, start: str | None) -> None:
        if branch in repo.branches:
            raise Refused(409, f"Reference refs/heads/{branch} already exists")
        repo.branches[branch] = repo.resolve(start or "main")

    def create_collection(self, title: str, owner: str, *, private: bool, description: str) -> dict[str, Any]:
        slug = f"{owner}/{title.lower().replace(' ', '-')}-{len(self.collections):024x}"
        for known in self.collections.values():
            if (known["title"], known["owner"]["name"]) == (title, owner):
                raise Refused(409, "This collection exists already", slug=known["slug"])
        self.collections[slug] = {
            "slug": slug,
            "title": title,
            "description": description,
            "owner": {"name": owner},
            "items": [],
            "lastUpdated": "2026-01-01T00:00:00.000Z",
            "position": 0,
            "private": private,
            "theme": "orange",
            "upvotes": 0,
        }
        return self.collections[slug]

    def add_item(self, slug: str, item: dict[str, str]) -> dict[str, Any]:
        collection = self.collections[slug]
        if any(known["id"] == item["id"] for known in collection["items"]):
            raise Refused(409, "Item already in collection")
        number = len(collection["items"])
        collection["items"].append({"_id": f"{number:024x}", "position": number, **item})
        return collection
