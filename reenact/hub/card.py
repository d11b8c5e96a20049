"""Model cards: the ``README.md`` of a checkpoint, checked, and completed for the Hub with results from config.json."""

import dataclasses
import math
import pathlib
import re
from typing import Any, cast

import yaml

from reenact.errors import CheckpointError
from reenact.hub.figures import own_figures
from reenact.hub.names import CARD_NAME
from reenact.hub.remote import one_line
from reenact.systems.catalog import CATALOG, CatalogEntry

LIBRARY = "reenact"
LICENCE = "apache-2.0"
"""Of the project; of a card that the program writes, unless another is asked for."""
MARK = "<!-- Written from config.json. Take this line out to keep what you change. -->"
"""Stands in a card that the program wrote and may write anew; not in the published one."""
PLACEHOLDER = "[More Information Needed]"
"""What templates of cards leave open."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")

_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|<img\b[^>]*?\bsrc=[\"']([^\"']+)[\"']", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """What is said of all checkpoints of one model."""

    title: str
    """Heading, and the model's name in the index of results."""
    does: str
    """One sentence."""
    task: str | None
    """The Hub's "pipeline_tag"; None where it has none that fits."""
    tags: tuple[str, ...]
    """For the Hub's search."""
    loading: str
    """Python that loads it; {repo} stands for its name on the Hub."""


def _system(entry: CatalogEntry) -> Kind:
    return Kind(
        title=f"Face reenactment: {entry.title}",
        does="Gives the face in one photo the pose and expression of another photo or a clip.",
        task="image-to-video",
        tags=entry.tags,
        loading='import reenact\n\nsystem = reenact.load("{repo}")',
    )


def _part(title: str, does: str, task: str | None, tag: str, loading: str) -> Kind:
    return Kind(title=title, does=does, task=task, tags=(tag,), loading=loading)


KINDS = {
    **{entry.id: _system(entry) for entry in CATALOG.values()},
    "tracker": _part(
        "Face tracker",
        "Reads mesh, blendshapes, head rotation and a face score from a crop of a face.",
        "keypoint-detection",
        "face-landmarks",
        'from reenact.hub import load_tracker\n\ntracker = load_tracker(checkpoint="{repo}")',
    ),
    "detector": _part(
        "Face detector",
        "Finds faces in whole pictures: boxes and scores.",
        "object-detection",
        "face-detection",
        'from reenact.hub import load_detector\n\ndetector = load_detector(checkpoint="{repo}")',
    ),
    "identity": _part(
        "Identity encoder",
        "Turns an aligned face into a unit vector; dot products say how alike faces are.",
        "image-feature-extraction",
        "face-embedding",
        'from reenact.hub import load_identity\n\nnetwork = load_identity(checkpoint="{repo}")',
    ),
    "parser": _part(
        "Face parser",
        "Says of each pixel of a face crop whether it is background, face, hair, clothes or other skin.",
        "image-segmentation",
        "face-parsing",
        'from reenact.hub import load_parser\n\nnetwork = load_parser(checkpoint="{repo}")',
    ),
    "morphable": _part(
        "Morphable face model",
        "A linear model of the 478-point face mesh.",
        None,
        "face-model",
        "from reenact.geometry.morphable import load_morphable\nfrom reenact.hub import resolve\n\n"
        'model = load_morphable(resolve("{repo}"))',
    ),
}
"""By the "model" of config.json."""


def kind_of(model: str) -> Kind:
    """The model's own kind; for one that is not listed, what is true of every checkpoint."""
    if model in KINDS:
        return KINDS[model]
    read = "from reenact.hub import read_checkpoint, resolve\n\n"
    read += 'checkpoint = read_checkpoint(resolve("{repo}"))  # configuration and weights'
    title = model.replace("_", " ").capitalize()
    return Kind(
        title=title, does=f"Weights of the network {model!r}.", task=None, tags=("face-reenactment",), loading=read
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """A model card, taken apart."""

    metadata: dict[str, Any]
    """Its front matter."""
    text: str
    """All below that."""


def read_card(folder: pathlib.Path) -> Card:
    """Read and check the card of a checkpoint.

    Raises:
        CheckpointError: no card, no metadata or no licence in it, places left open, or pictures that are not there.
    """
    path = folder / CARD_NAME
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no {CARD_NAME} (the model card); `reenact card {folder}` writes one from its config.json."
        )
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {one_line(error)}.") from error
    card = Card(metadata=_metadata(path, content), text=_FRONT.sub("", content, count=1))
    library = card.metadata.get("library_name", LIBRARY)
    if library != LIBRARY:
        raise CheckpointError(f"{path} says library_name: {library}; here it must be {LIBRARY}.")
    if not isinstance(card.metadata.get("license"), str):
        raise CheckpointError(f"{path} names no licence; add a line such as `license: {LICENCE}` to its front matter.")
    is_open = PLACEHOLDER.lower() in content.lower()
    if is_open or not card.text.strip():
        what = f"still says {PLACEHOLDER}" if is_open else "has no text"
        raise CheckpointError(f"{path} {what}; fill it in, or let `reenact card {folder} --overwrite` write it.")
    pictures_of(folder, card.text)
    return card


def _metadata(path: pathlib.Path, content: str) -> dict[str, Any]:
    front = _FRONT.match(content)
    if front is None:
        raise CheckpointError(
            f"{path} has no metadata; begin it with a line of ---, a line `license: {LICENCE}`, and a line of ---."
        )
    try:
        metadata: Any = yaml.safe_load(front[1])
    except yaml.YAMLError as error:
        raise CheckpointError(f"The metadata of {path} are not valid YAML ({one_line(error)}); mend them.") from error
    if not isinstance(metadata, dict):
        raise CheckpointError(f"The metadata of {path} are no list of `name: value` lines; mend them.")
    return cast(dict[str, Any], metadata)


def pictures_of(folder: pathlib.Path, text: str) -> list[str]:
    """Paths, within `folder`, of the pictures that a card shows; those on the web are left out.

    Raises:
        CheckpointError: one lies outside of the folder, is missing, or is no picture.
    """
    found: list[str] = []
    for markdown, html in _PICTURE.findall(text):
        name = str(markdown or html)
        if re.match(r"[a-z][a-z0-9+.-]*:|//", name, re.IGNORECASE) or name in found:
            continue
        path = folder / name
        inside = path.resolve().is_relative_to(folder.resolve()) and not name.startswith("/")
        if not inside or not path.is_file() or path.suffix.lower() not in PICTURE_SUFFIXES:
            raise CheckpointError(
                f"{folder / CARD_NAME} shows {name}, which is no picture in that folder; copy it there, or take it out."
            )
        found.append(name)
    return found


def complete(card: Card, config: dict[str, Any], repo: str) -> str:
    """The card as it is published: metadata filled up, results from config.json, how to load it from the Hub."""
    kind = kind_of(config["model"])
    metadata: dict[str, Any] = {"license": card.metadata["license"], "library_name": LIBRARY}
    task = card.metadata.get("pipeline_tag", kind.task)
    if task is not None:
        metadata["pipeline_tag"] = task
    metadata["tags"] = card.metadata.get("tags") or list(kind.tags)
    metadata |= {name: value for name, value in card.metadata.items() if name not in metadata}
    results = _results(config, kind, task)
    if results:
        metadata |= results
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=120)
    text = card.text.replace(f"{MARK}\n\n", "")
    return f"---\n{front}---\n{_with_loading(text, kind, repo, config['model'])}"


def _results(config: dict[str, Any], kind: Kind, task: str | None) -> dict[str, Any]:
    """The Hub's "metrics" and "model-index", of what the training run measured of the model itself."""
    figures = own_figures(validation_of(config))
    if not figures:
        return {}
    metrics = [{"type": key, "name": name, "value": value} for key, name, value in figures]
    data = {"name": "validation people of the training folder", "type": "face-crops"}
    result = {"task": {"type": task or "other"}, "dataset": data, "metrics": metrics}
    return {
        "metrics": [key for key, _, _ in figures],
        "model-index": [{"name": kind.title, "results": [result]}],
    }


def validation_of(config: dict[str, Any]) -> dict[str, float]:
    """The finite numbers that the training run measured, by name; empty if there are none."""
    training: Any = config.get("training")
    measured: Any = cast(dict[str, Any], training).get("validation") if isinstance(training, dict) else None
    if not isinstance(measured, dict):
        return {}
    return {
        str(key): float(value)
        for key, value in cast(dict[Any, Any], measured).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _with_loading(text: str, kind: Kind, repo: str, model: str) -> str:
    """The text with a section on loading before its first other section, unless it speaks of the repository already."""
    if repo in text:
        return text
    shell = f"reenact download {repo}\n"
    if model in CATALOG:
        shell += f"reenact video PORTRAIT.jpg CLIP.mp4 -o OUT.mp4 --checkpoint {repo}\n"
    section = f"## Load it\n\n```sh\n{shell}```\n\n```python\n{kind.loading.format(repo=repo)}\n```\n\n"
    first = re.search(r"^## ", text, re.MULTILINE)
    if first is None:
        return f"{text.rstrip()}\n\n{section.rstrip()}\n"
    return text[: first.start()] + section + text[first.start() :]
