"""All trained checkpoints -> one repository each, and one collection of them."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable

from huggingface_hub import Collection, HfApi

from reenact import weights
from reenact.errors import ConfigError, ReenactError
from reenact.hub.names import published_name
from reenact.hub.push import Parcel, Pushed, pack, send, sign_in
from reenact.hub.remote import check_repo_name, patiently, writing
from reenact.systems.catalog import CATALOG

TITLE = "Reenact: face reenactment"
MAX_TITLE = 59
"""Characters; the Hub takes titles of less than 60."""
_DESCRIPTION = "Face reenactment systems and the perception networks that they need, for the library reenact."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be published."""

    parcels: tuple[Parcel, ...]
    """Checked, ready to be sent."""
    unfit: dict[str, str]
    """Repositories that cannot be made, and why."""
    absent: tuple[str, ...]
    """Systems of which there are no weights yet."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """What came of it."""

    pushed: tuple[Pushed, ...]
    """Repositories that are up to date now."""
    failed: dict[str, str]
    """Repositories, and the collection under its title, that are not; and why."""
    collection_url: str | None
    """None if it failed."""


def plan(owner: str, root: pathlib.Path | None = None) -> Plan:
    """Find and check all checkpoints.

    Args:
        owner: of the repositories.
        root: folder of checkpoints; the project's own if None.

    Raises:
        ConfigError: there is none, or no owner can be called so.
    """
    check_repo_name(f"{owner}/{published_name('geometry')}")
    root = weights.EMBEDDED if root is None else root.expanduser()
    names = sorted(path.parent.relative_to(root).as_posix() for path in root.rglob(weights.CONFIG_NAME))
    names = [name for name in names if name != "."]
    if not names:
        raise ConfigError(f"No checkpoints in {root}: no folder there has a {weights.CONFIG_NAME}.")
    parcels: list[Parcel] = []
    unfit: dict[str, str] = {}
    for name in names:
        repo = f"{owner}/{published_name(name)}"
        try:
            parcels.append(pack(root / name, repo))
        except ReenactError as error:
            unfit[repo] = str(error)
    trained = {name.partition("/")[0] for name in names}
    absent = tuple(name for name in CATALOG if name not in trained)
    return Plan(parcels=tuple(parcels), unfit=unfit, absent=absent)


def publish(
    planned: Plan,
    owner: str,
    *,
    private: bool = False,
    title: str = TITLE,
    done: Callable[[Pushed], None] = lambda _: None,
) -> Published:
    """Upload what was planned and put it into a collection; what is there already is brought up to date.

    A repository that fails does not keep the others from being published.

    Args:
        planned: see `plan`.
        owner: of repositories and collection.
        private: only the owner can see them.
        title: of the collection.
        done: told of each repository.

    Raises:
        ConfigError: the title is too long.
        OutputError: no token with which anything could be written.
    """
    check_title(title)
    sign_in(f"The repositories of {owner}", owner)
    pushed: list[Pushed] = []
    failed = dict(planned.unfit)
    for parcel in planned.parcels:
        try:
            pushed.append(send(parcel, private=private))
        except ReenactError as error:
            failed[parcel.repo] = str(error)
        else:
            done(pushed[-1])
    url: str | None = None
    try:
        url = _collect(owner, title, [one.repo for one in pushed], private=private) if pushed else None
    except ReenactError as error:
        failed[f"collection {title!r}"] = str(error)
    return Published(pushed=tuple(pushed), failed=failed, collection_url=url)


def check_title(title: str) -> None:
    """Refuse titles that the Hub would refuse.

    Raises:
        ConfigError: empty or too long.
    """
    if not 0 < len(title.strip()) <= MAX_TITLE:
        raise ConfigError(f"The title {title!r} has {len(title)} characters; a title has 1 to {MAX_TITLE}.")


def _collect(owner: str, title: str, repos: Iterable[str], *, private: bool) -> str:
    """The collection with all of `repos` in it: found by its title, else created."""
    api = HfApi()
    with writing(f"The collection {title!r}", owner):
        found = _find(patiently(lambda: list(api.list_collections(owner=owner))), title)
        if found is None:
            found = patiently(
                lambda: api.create_collection(
                    title, namespace=owner, description=_DESCRIPTION, private=private, exists_ok=True
                )
            )
        for repo in repos:
            _add(api, found.slug, repo)
    return found.url


def _find(collections: Iterable[Collection], title: str) -> Collection | None:
    return next((one for one in collections if one.title == title), None)


def _add(api: HfApi, slug: str, repo: str) -> None:
    patiently(lambda: api.add_collection_item(slug, item_id=repo, item_type="model", exists_ok=True))
