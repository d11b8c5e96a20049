"""Whatever comes from outside, a parser gives a value or an error of the project's own with one line."""

import argparse
import json
import math
import pathlib
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gradio as gr
import hypothesis
import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import save

from reenact.cli.edit import read_units
from reenact.cli.output import read_seconds
from reenact.config import parse_config
from reenact.errors import ReenactError
from reenact.hub.checkpoint import read_checkpoint, read_config, read_network_config
from reenact.hub.remote import check_repo_name, split_name
from reenact.media.trim import Trim
from reenact.pipeline.controls.keyframes import KeyFrames
from reenact.pipeline.controls.settings import FaceEdit
from reenact.pipeline.motions.template import read_template
from reenact.space.host.options import HostOptions, add_options, host_options
from reenact.space.models import Models, read_weights
from reenact.space.page import build_page
from reenact.space.widgets.driving_part import crop_of, options_of
from reenact.space.widgets.faces_part import drivers_of
from reenact.space.widgets.output_part import chosen_quality, chosen_rate, chosen_size
from reenact.space.widgets.settings import named_edit
from reenact.systems.correspondence.config import CorrespondenceConfig
from train.data.shards import parse_index
from train.evaluate.pairs import load_pairs

MANY_DIGITS, DEEP = "9" * 5000, "[" * 20_000
"""More than Python makes a number of; deeper than it follows."""
TEXTS = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"[-+]?[0-9.:es,/@=]{0,12}", fullmatch=True),
    st.sampled_from(["", "nan", "inf", "-inf", "1e400", "1e-400", "0", "-0", "１２", "²", "\0", MANY_DIGITS, DEEP]),
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), math.nan, math.inf]))
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)


def objects(*names: str) -> Any:
    """Values of JSON in which these names occur."""
    keys = st.one_of(st.sampled_from(names), st.text(max_size=5), st.just(MANY_DIGITS))
    return st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )


def described(kind: str, *names: str) -> Any:
    """JSON that says it is of this kind, or any other text."""
    versions = st.one_of(st.just(1), st.just(2), LEAVES)
    head = st.fixed_dictionaries({"kind": st.just(kind), "format_version": versions})
    fields = st.dictionaries(st.sampled_from(names), objects(*names), max_size=4)
    whole = st.builds(lambda head, fields: json.dumps(head | fields, default=str), head, fields)
    return st.one_of(whole, st.builds(json.dumps, objects("kind", *names)), TEXTS)


def answered(parse: Callable[[], Any]) -> Any:
    """What a parser gives; None for an error of the project's own, which has one line."""
    try:
        return parse()
    except ReenactError as error:
        said = str(error)
    except gr.Error as error:
        assert not error.print_exception
        said = error.message
    assert said and "\n" not in said and len(said) < 2000, said
    return None


@hypothesis.given(begin=st.none() | TEXTS, end=st.none() | TEXTS)
def test_times(begin: str | None, end: str | None) -> None:
    part = answered(lambda: Trim.read(begin, end, names=("The begin", "The end")))
    assert part is None or (part.begin_s >= 0 and (part.end_s is None or part.end_s > part.begin_s))
    seconds = answered(lambda: read_seconds("--seconds", str(begin)))
    assert seconds is None or isinstance(seconds, float)


@hypothesis.given(st.floats() | st.integers(-999, 99999))
def test_rate_size_and_quality(number: float | int) -> None:
    rate, size, quality = (answered(lambda c=c: c(number)) for c in (chosen_rate, chosen_size, chosen_quality))
    assert rate is None or 1 <= rate <= 120
    assert size is None or size >= 16
    assert quality is None or 1 <= quality <= 100


@hypothesis.given(
    regions=st.lists(st.sampled_from(["all", "expression", "pose", "eyes", "lips"]), max_size=3),
    keep=st.lists(st.sampled_from(["eyes", "lips"]), max_size=3),
    numbers=st.tuples(*[st.floats() | st.integers(-9, 9)] * 4),
)
def test_regions_strength_and_box(regions: list[str], keep: list[str], numbers: Any) -> None:
    answered(lambda: options_of(regions, keep, numbers[0], False, body="follows"))
    box = answered(lambda: crop_of(*numbers[1:]))
    assert box is None or all(map(math.isfinite, (box.scale, box.right, box.down)))


@hypothesis.given(st.lists(TEXTS | st.from_regex(r"(AU)?[0-9]{1,2}[LR]?=[-+0-9.e]{1,6}", fullmatch=True), max_size=3))
def test_units_and_weights_on_the_command_line(texts: list[str]) -> None:
    answered(lambda: FaceEdit(action_units=read_units(texts)))
    answered(lambda: read_weights(texts))
    for text in texts:
        split_name(text)
        answered(lambda text=text: check_repo_name(text))


@hypothesis.given(described("reenact-edit", "mode", "action_units", "yaw_deg", "12", "45L"))
def test_settings(text: str) -> None:
    answered(lambda: FaceEdit.from_json(text))


@hypothesis.given(objects("kind", "12", "45L", "yaw"))
def test_settings_of_programs(sent: Any) -> None:
    answered(lambda: named_edit(sent, mode="relative"))


@hypothesis.given(
    described("reenact-keyframes", "mode", "frames", "time_s", "ease", "action_units", "yaw_deg"),
    st.lists(st.lists(LEAVES, max_size=4), max_size=3),
)
def test_key_frames(text: str, rows: list[list[Any]]) -> None:
    read = answered(lambda: KeyFrames.from_json(text)), answered(lambda: KeyFrames.from_rows(rows))
    assert all(each is None or 0 <= each.seconds < math.inf for each in read)


@hypothesis.given(
    st.none() | st.dictionaries(st.sampled_from(["1", "2", "a", MANY_DIGITS]), objects("path", "face", "driver"))
)
def test_drivers_of_several_faces(drivers: Any) -> None:
    answered(lambda: drivers_of(drivers))


@hypothesis.given(
    st.dictionaries(
        st.sampled_from([f"REENACT_{name}" for name in ("MAX_SECONDS", "RUNS_PER_HOUR", "QUEUE", "SYSTEMS", "LOGIN")])
        | st.sampled_from(["REENACT_API_KEYS", "REENACT_GRACE_SECONDS", "REENACT_MAX_MEGAPIXELS", "REENACT_MCP"]),
        TEXTS | st.just("correspondence, facegan"),
    )
)
def test_variables_of_the_host(environment: dict[str, str]) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = answered(lambda: host_options(parser.parse_args([]), environment))
    assert options is None or (isinstance(options, HostOptions) and options.queue >= 1)


@pytest.fixture(scope="module")
def linked() -> list[Any]:
    """What links set, by tab, with the other values that the browser keeps."""
    kept = list[Any]()
    with pytest.MonkeyPatch.context() as patch:

        def restore(page: gr.Blocks, tabs: Any, all_kept: list[Any], names: Any) -> dict[str, Any]:
            kept.extend(all_kept)
            return {each.name: page.load() for each in all_kept}

        patch.setattr("reenact.space.page.restore", restore)
        build_page(Models())
    return kept


@hypothesis.settings(max_examples=60)
@hypothesis.given(data=st.data())
def test_queries_of_links_and_what_the_browser_keeps(linked: list[Any], data: st.DataObject) -> None:
    tab = data.draw(st.sampled_from(linked))
    names = [*tab.linked.components] if tab.linked else []
    pairs = st.lists(st.tuples(st.sampled_from([*names, "tab"]), TEXTS), max_size=4)
    query = "&".join(f"{name}={value}" for name, value in data.draw(pairs))
    values = data.draw(st.lists(objects("path"), min_size=len(tab.components), max_size=len(tab.components)))
    text = json.dumps([tab.layout.value, *values])
    assert len(tab.restored(text, query)) == len(tab.components)
    assert len(tab.restored(data.draw(TEXTS), "?" + data.draw(TEXTS))) == len(tab.components)


@pytest.fixture(scope="module")
def folder() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder)


TINY = save({"weight": torch.zeros(4, 4), "steps": torch.ones(4)})


def damaged(whole: bytes) -> Any:
    """The bytes of a file, whole, cut or with other bytes."""
    cut = st.integers(0, len(whole)).map(lambda end: whole[:end])
    places = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)
    return st.one_of(st.just(whole), cut, places.map(lambda all_: _changed(whole, all_)), st.binary(max_size=64))


def _changed(whole: bytes, places: list[tuple[int, int]]) -> bytes:
    content = bytearray(whole)
    for place, value in places:
        content[place] = value
    return bytes(content)


@hypothesis.given(
    config=described("-", "model", "network", "training", "crop", "width", "widths"), weights=damaged(TINY)
)
def test_checkpoints(folder: pathlib.Path, config: str, weights: bytes) -> None:
    (folder / "config.json").write_text(config, encoding="utf-8", errors="replace")
    (folder / "model.safetensors").write_bytes(weights)
    answered(lambda: read_config(folder / "config.json"))
    checkpoint = answered(lambda: read_checkpoint(folder))
    if checkpoint is not None:
        answered(lambda: read_network_config(checkpoint, CorrespondenceConfig))


@hypothesis.given(objects("crop", "width", "widths", "side_px"))
def test_configs(given: Any) -> None:
    answered(lambda: parse_config(CorrespondenceConfig, given, where="config"))


@hypothesis.given(
    metadata=st.dictionaries(st.sampled_from(["format_version", "fps", "width", "height", "frames", "name"]), TEXTS),
    sizes=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    value=st.integers(-2, 3),
)
def test_motions(folder: pathlib.Path, metadata: dict[str, str], sizes: list[int], value: int) -> None:
    fitting = {
        "kind": "reenact-motion",
        "format_version": "1",
        "fps": "25",
        "width": "64",
        "height": "64",
        "frames": "3",
    }
    tensors = {
        "face.frame": torch.arange(sizes[0], dtype=torch.int32) * value,
        "face.hidden": torch.full((sizes[0], 3), value % 3, dtype=torch.uint8),
        "shots": torch.arange(sizes[1], dtype=torch.int32) + value,
        "rest.shot": torch.zeros(sizes[2], dtype=torch.int32),
        "numbers": torch.full((sizes[3], 1495), float(value)),
    }
    texts = {name: text.encode("utf-8", "replace").decode() for name, text in (fitting | metadata).items()}
    (folder / "m.safetensors").write_bytes(save(tensors, texts))
    answered(lambda: read_template(folder / "m.safetensors"))


@hypothesis.given(described("reenact-faces", "settings", "people", "shards", "file", "split", "bytes", "sha256"))
def test_index_of_a_labelled_folder(text: str) -> None:
    answered(lambda: parse_index(text.encode("utf-8", "replace"), "index.json"))


@hypothesis.given(described("reenact-pairs", "protocol", "split", "seed", "pairs", "runs", "triplets", "found", "note"))
def test_pairs_of_an_evaluation(folder: pathlib.Path, text: str) -> None:
    (folder / "pairs.json").write_text(text, encoding="utf-8", errors="replace")
    answered(lambda: load_pairs(folder / "pairs.json", SimpleNamespace(names=[]), protocol="self", split="val"))
