"""Model cards: the ``README.md`` of a checkpoint.

`write_card` writes one from ``config.json``. `read_card` checks one. `complete_card` adds what the Hub reads: metadata,
results from ``config.json``, and how to load the repository.
"""

import dataclasses
import json
import math
import pathlib
import re
from typing import Any, cast

import yaml

from reenact.errors import CheckpointError, Hint, OutputError, one_line
from reenact.hub.checkpoint import read_checkpoint
from reenact.hub.figures import figure_name, own_figures
from reenact.systems.catalog import CATALOG
from reenact.weights import CARD_NAME, CONFIG_NAME, WEIGHTS_NAME

LIBRARY = "reenact"
LICENCE = "apache-2.0"
"""Of the project, and of written cards unless another is given."""
MARK = "<!-- Written from config.json. Take this line out to keep what you change. -->"
"""Marks a card that may be overwritten; published cards do not have it."""
PLACEHOLDER = "[More Information Needed]"
"""Left in cards by the Hub's templates."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")

_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|<img\b[^>]*?\bsrc=[\"']([^\"']+)[\"']", re.IGNORECASE)

_USE = """**Intended use**: research, teaching, and pictures of people who agreed to it.
**Misuse**: deceiving, harassing, impersonating, identifying or watching people.
**Limits**: the figures below hold for the validation people and similar pictures; nothing else was measured."""
_DATA = "The training pictures are in the folder given by `--data`; they are not part of this repository."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """What the cards of all checkpoints of one model say."""

    title: str
    """Heading, and the model's name in the Hub's results."""
    summary: str
    """One sentence."""
    task: str | None
    """The Hub's "pipeline_tag"; None where none fits."""
    tags: tuple[str, ...]
    """For the Hub's search."""
    loading: str
    """Python that loads the repository {repo}."""


def _network(title: str, summary: str, task: str, tag: str, loader: str) -> Kind:
    loading = f'from reenact.hub import {loader}\n\nnetwork = {loader}(checkpoint="{{repo}}")'
    return Kind(title=title, summary=summary, task=task, tags=(tag,), loading=loading)


PARTS = {
    "tracker": _network(
        "Face tracker",
        "Predicts mesh, blendshapes, head rotation and a face score from a face crop.",
        *("keypoint-detection", "face-landmarks", "load_tracker"),
    ),
    "detector": _network(
        "Face detector",
        "Finds faces in pictures: boxes and scores.",
        *("object-detection", "face-detection", "load_detector"),
    ),
    "identity": _network(
        "Identity encoder",
        "Maps an aligned face to a unit vector; the dot product of two vectors measures likeness.",
        *("image-feature-extraction", "face-embedding", "load_identity"),
    ),
    "parser": _network(
        "Face parser",
        "Labels each pixel of a face crop as background, face, hair, clothes or other skin.",
        *("image-segmentation", "face-parsing", "load_parser"),
    ),
    "hidden": _network(
        "Hidden parts",
        "Tells whether a mouth or an eye is hidden by something.",
        *("image-classification", "face-occlusion", "load_hidden"),
    ),
    "morphable": Kind(
        title="Morphable face model",
        summary="A linear model of the 478-point face mesh.",
        task=None,
        tags=("face-model",),
        loading="from reenact.geometry.morphable import load_morphable\nfrom reenact.hub import resolve\n\n"
        'model = load_morphable(resolve("{repo}"))',
    ),
}
"""By the "model" of config.json; systems and unknown models: see `kind_of`."""


def kind_of(model: str) -> Kind:
    """The texts for a "model" of config.json."""
    if model in PARTS:
        return PARTS[model]
    if model in CATALOG:
        return Kind(
            title=f"Face reenactment: {CATALOG[model].title}",
            summary="Gives the face in one photo the pose and expression of another photo or a clip.",
            task="image-to-video",
            tags=CATALOG[model].tags,
            loading='import reenact\n\nsystem = reenact.load("{repo}")',
        )
    return Kind(
        title=model.replace("_", " ").capitalize(),
        summary=f"Weights of the network {model!r}.",
        task=None,
        tags=("face-reenactment",),
        loading="from reenact.hub import read_checkpoint, resolve\n\n"
        'checkpoint = read_checkpoint(resolve("{repo}"))  # configuration and weights',
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """A model card."""

    metadata: dict[str, Any]
    """Its front matter."""
    text: str
    """All below the front matter."""


def read_card(folder: pathlib.Path) -> Card:
    """Read and check the card of a checkpoint.

    Raises:
        CheckpointError: no card, no metadata, no licence, a template's placeholder, or missing pictures.
    """
    path = folder / CARD_NAME
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no {CARD_NAME} (the model card); `reenact card {folder}` writes one from its config.json."
        )
    card = read_front_matter(path)
    library = card.metadata.get("library_name", LIBRARY)
    if library != LIBRARY:
        raise CheckpointError(f"{path} has library_name: {library}; it must be {LIBRARY}.")
    if not isinstance(card.metadata.get("license"), str):
        raise CheckpointError(f"{path} names no licence; add a line such as `license: {LICENCE}` to its front matter.")
    has_placeholder = PLACEHOLDER.lower() in f"{card.metadata}{card.text}".lower()
    if has_placeholder or not card.text.strip():
        what = f"still says {PLACEHOLDER}" if has_placeholder else "has no text"
        raise CheckpointError(f"{path} {what}; complete it, or let `reenact card {folder}` write a new one.")
    pictures_of(folder, card.text)
    return card


def read_front_matter(path: pathlib.Path) -> Card:
    """Read a Markdown file with metadata before its text.

    Raises:
        CheckpointError: it cannot be read, or has no valid metadata.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {one_line(error)}.") from error
    front = _FRONT.match(content)
    if front is None:
        raise CheckpointError(
            f"{path} has no metadata; begin it with a line of ---, a line `license: {LICENCE}`, and a line of ---."
        )
    try:
        metadata: Any = yaml.safe_load(front[1])
    except yaml.YAMLError as error:
        raise CheckpointError(f"The metadata of {path} is not valid YAML ({one_line(error)}).") from error
    if not isinstance(metadata, dict):
        raise CheckpointError(f"The metadata of {path} are not a list of `name: value` lines.")
    return Card(metadata=cast(dict[str, Any], metadata), text=content[front.end() :])


def pictures_of(folder: pathlib.Path, text: str) -> list[str]:
    """Paths, within `folder`, of the pictures that a card shows, without those on the web.

    Raises:
        CheckpointError: one is outside of the folder, missing, or not a picture.
    """
    pictures: list[str] = []
    for markdown, html in _PICTURE.findall(text):
        name = str(markdown or html)
        if re.match(r"[a-z][a-z0-9+.-]*:|//", name, re.IGNORECASE) or name in pictures:
            continue
        path = folder / name
        inside = path.resolve().is_relative_to(folder.resolve()) and not name.startswith("/")
        if not inside or not path.is_file() or path.suffix.lower() not in PICTURE_SUFFIXES:
            raise CheckpointError(
                f"{folder / CARD_NAME} shows {name}, which is no picture in that folder; copy it there or remove it."
            )
        pictures.append(name)
    return pictures


def complete_card(card: Card, config: dict[str, Any], repo: str) -> str:
    """The card as it is published: with the Hub's metadata, results from config.json, and how to load `repo`."""
    kind = kind_of(config["model"])
    metadata: dict[str, Any] = {"license": card.metadata["license"], "library_name": LIBRARY}
    task = card.metadata.get("pipeline_tag", kind.task)
    if task is not None:
        metadata["pipeline_tag"] = task
    metadata["tags"] = card.metadata.get("tags") or list(kind.tags)
    metadata |= {name: value for name, value in card.metadata.items() if name not in metadata}
    metadata |= _results(config, kind, task)
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=120)
    text = card.text.replace(f"{MARK}\n\n", "")
    return f"---\n{front}---\n{_with_loading(text, kind, repo)}"


def _results(config: dict[str, Any], kind: Kind, task: str | None) -> dict[str, Any]:
    """The Hub's "metrics" and "model-index" from the training run's validation."""
    figures = own_figures(_validation(config))
    if not figures:
        return {}
    metrics = [{"type": key, "name": name, "value": value} for key, name, value in figures]
    data = {"name": "validation people of the training folder", "type": "face-crops"}
    result = {"task": {"type": task or "other"}, "dataset": data, "metrics": metrics}
    return {
        "metrics": [key for key, _, _ in figures],
        "model-index": [{"name": kind.title, "results": [result]}],
    }


def _training(config: dict[str, Any]) -> dict[str, Any]:
    training: Any = config.get("training")
    return cast(dict[str, Any], training) if isinstance(training, dict) else {}


def _validation(config: dict[str, Any]) -> dict[str, float]:
    """The finite figures that the training run measured."""
    measured: Any = _training(config).get("validation")
    return {
        str(key): float(value)
        for key, value in cast(dict[Any, Any], measured if isinstance(measured, dict) else {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _with_loading(text: str, kind: Kind, repo: str) -> str:
    """The text with a first section on loading, unless it names the repository already."""
    if repo in text:
        return text
    shell = f"reenact download {repo}\n"
    if "reenact.load(" in kind.loading:
        shell += f"reenact video PORTRAIT.jpg CLIP.mp4 -o OUT.mp4 --checkpoint {repo}\n"
    section = f"## Load it\n\n```sh\n{shell}```\n\n```python\n{kind.loading.format(repo=repo)}\n```\n\n"
    first = re.search(r"^## ", text, re.MULTILINE)
    if first is None:
        return f"{text.rstrip()}\n\n{section.rstrip()}\n"
    return text[: first.start()] + section + text[first.start() :]


def write_card(folder: pathlib.Path, *, licence: str = LICENCE, overwrite: bool = False) -> pathlib.Path:
    """Write the card of a checkpoint from its ``config.json``.

    Args:
        folder: of the checkpoint.
        licence: of the weights, in the Hub's spelling.
        overwrite: replace a card that was written or changed by hand.

    Returns:
        The card's path.

    Raises:
        CheckpointError: the folder is no checkpoint.
        OutputError: the card was written by hand, or it cannot be written.
    """
    checkpoint = read_checkpoint(folder)
    path = checkpoint.folder / CARD_NAME
    if is_handmade(path) and not overwrite:
        raise OutputError(f"{path} was written by hand; allow overwriting to replace it.", hint=Hint.OVERWRITE)
    parameters = sum(value.numel() for value in checkpoint.weights.values())
    size_bytes = (checkpoint.folder / WEIGHTS_NAME).stat().st_size
    text = card_text(checkpoint.config, parameters=parameters, size_bytes=size_bytes, licence=licence)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {one_line(error)}.") from error
    return path


def is_handmade(path: pathlib.Path) -> bool:
    """Whether somebody wrote or changed the card at `path`."""
    return path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace")


def card_text(config: dict[str, Any], *, parameters: int, size_bytes: int, licence: str = LICENCE) -> str:
    """A card from ``config.json``.

    Args:
        config: content of config.json.
        parameters: number of weights.
        size_bytes: of model.safetensors.
        licence: in the Hub's spelling.
    """
    kind = kind_of(config["model"])
    metadata: dict[str, Any] = {"license": licence, "library_name": LIBRARY}
    if kind.task is not None:
        metadata["pipeline_tag"] = kind.task
    metadata["tags"] = list(kind.tags)
    front = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    count = f"{parameters / 1e6:.2g} M" if parameters >= 1e5 else f"{parameters:,}"
    parts = [
        f"---\n{front}---",
        MARK,
        f"# {kind.title}",
        f"{kind.summary} {count} parameters, safetensors of {size_bytes / 1e6:.2f} MB.",
        _USE,
        f"## Figures\n\n{_figures_text(_validation(config))}",
        f"## Training\n\n{_training_text(_training(config))}",
        f"## Network\n\n```json\n{json.dumps(config.get('network', {}), indent=2)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _figures_text(validation: dict[str, float]) -> str:
    if not validation:
        return "Nothing was measured: the training run had no validation people."
    rows = [f"| {figure_name(key)} | {value:.4g} |" for key, value in validation.items()]
    table = "\n".join(["| figure | value |", "|---|---|", *rows])
    return f"Measured by the training run, on validation people who are in no training picture.\n\n{table}"


def _training_text(facts: dict[str, Any]) -> str:
    if not facts:
        return f"{CONFIG_NAME} does not say how these weights were trained."
    parts: list[str] = []
    if isinstance(facts.get("command"), str):
        parts.append(f"```\n{_without_folders(facts['command'])}\n```\n\n{_DATA}")
    rows = [
        f"| {key} | {' '.join(str(facts[key]).split()).replace('|', '/')} |"
        for key in ("steps", "meshes", "hardware", "torch", "commit")
        if key in facts
    ]
    if rows:
        parts.append("\n".join(["| | |", "|---|---|", *rows]))
    return "\n\n".join([*parts, f"`{CONFIG_NAME}` holds the whole configuration."])


def _without_folders(command: str) -> str:
    """Absolute paths cut to their last part, since they say where the author keeps files."""
    return re.sub(r"(?<![\w.:/])~?/(?:[^\s/]+/)*([^\s/]+)", r"\1", command)
