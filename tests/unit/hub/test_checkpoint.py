"""Checkpoint folders: what is accepted, and how everything else is refused."""

import dataclasses
import json
import pathlib
import re
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from reenact import weights
from reenact.errors import CheckpointError
from reenact.hub import checkpoint as subject
from reenact.hub import names


@dataclasses.dataclass(frozen=True, kw_only=True)
class SmallConfig:
    widths: tuple[int, ...]
    code: int = 4


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def write(folder: pathlib.Path, config: dict[str, Any] | None = None, **changes: torch.Tensor) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.half() if value.is_floating_point() else value
        for name, value in small_network().state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(weights | changes, folder / "model.safetensors")
    base = {"format_version": 1, "model": "small", "network": {"widths": [1, 2]}, "training": {}}
    (folder / "config.json").write_text(json.dumps(base | (config or {})))
    return folder


def test_a_folder_written_and_read_gives_the_same_network(tmp_path: pathlib.Path) -> None:
    checkpoint = subject.read_checkpoint(write(tmp_path / "a"), model="small")
    network = small_network()
    subject.load_weights(network, checkpoint.weights, where=checkpoint.folder)
    for name, value in checkpoint.weights.items():
        assert network.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(network.state_dict()[name], value.float(), rtol=0, atol=0)
    assert subject.read_network_config(checkpoint, SmallConfig) == SmallConfig(widths=(1, 2))


def test_weights_in_eight_bits_are_half_a_step_off_at_most(tmp_path: pathlib.Path) -> None:
    weights = {"kernel": torch.randn(8, 4, 16, 16).half(), "bias": torch.randn(8).half()}
    weights["kernel"][3] *= 100
    weights["kernel"][5] = 0
    packed = subject.pack_weights(weights)
    assert packed["kernel"].dtype == torch.int8 and packed["bias"] is weights["bias"]
    checkpoint = subject.read_checkpoint(write(tmp_path / "a", **packed))
    read = checkpoint.weights["kernel"]
    assert read.dtype == torch.float16 and not any(name.endswith(subject.SCALE_SUFFIX) for name in checkpoint.weights)
    step = weights["kernel"].float().abs().amax((1, 2, 3), keepdim=True) / 127
    assert ((read.float() - weights["kernel"].float()).abs() <= 0.65 * step).all()
    assert torch.equal(checkpoint.weights["bias"], weights["bias"])


@pytest.mark.parametrize("rows", [0, 3])
def test_a_scale_that_fits_no_weight_is_named(tmp_path: pathlib.Path, rows: int) -> None:
    weights = {"0.weight.scale8": torch.ones(4).half()}
    weights |= {"0.weight": torch.ones(rows, 2, dtype=torch.int8)} if rows else {}
    with pytest.raises(CheckpointError, match=r"0\.weight\.scale8 fits no weight stored in 8 bits"):
        subject.read_checkpoint(write(tmp_path / "a", **weights))


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".bin", ".pkl"])
def test_a_pickle_is_refused_by_name(tmp_path: pathlib.Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"\x80\x04cposix\nsystem\n.")
    for call in (names.resolve, subject.read_checkpoint):
        with pytest.raises(CheckpointError, match=re.escape(str(path)) + " is a pickle, which can run code"):
            call(path)
    (tmp_path / "config.json").write_text('{"format_version": 1, "model": "small"}')
    with pytest.raises(CheckpointError, match="is a pickle"):
        subject.read_checkpoint(tmp_path)


def test_a_pickle_renamed_to_safetensors_is_refused(tmp_path: pathlib.Path) -> None:
    folder = write(tmp_path / "a")
    torch.save({"weight": torch.zeros(2)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="is a pickle"):
        subject.read_checkpoint(folder)


def test_a_header_that_begins_like_a_pickle_is_none(tmp_path: pathlib.Path) -> None:
    """The file opens with the length of its header: 640 is written 80 02."""
    folder = write(tmp_path / "a")
    content = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    padded = content[8 : 8 + length] + b" " * (0x0480 - length)
    (folder / "model.safetensors").write_bytes(len(padded).to_bytes(8, "little") + padded + content[8 + length :])
    assert (folder / "model.safetensors").read_bytes().startswith(b"\x80\x04")
    assert set(subject.read_checkpoint(folder).weights) >= {"0.weight", "2.bias"}


def test_missing_parts_are_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CheckpointError, match="No checkpoint folder"):
        subject.read_checkpoint(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match="has no model.safetensors"):
        subject.read_checkpoint(tmp_path)
    folder = write(tmp_path / "a")
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match="has no config.json"):
        subject.read_checkpoint(folder)
    with pytest.raises(CheckpointError, match="single file; give its folder"):
        names.resolve(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{broken", "not valid JSON"),
        ("[1, 2]", "no JSON object"),
        ("{}", "not a checkpoint of this program"),
        ('{"format_version": true, "model": "small"}', "not a checkpoint of this program"),
        ('{"format_version": 2, "model": "small"}', "format_version 2, this program reads up to 1"),
        ('{"format_version": 1, "model": "large"}', "holds a 'large' model, but a 'small' model is needed"),
    ],
)
def test_a_bad_config_is_refused(tmp_path: pathlib.Path, text: str, expected: str) -> None:
    folder = write(tmp_path / "a")
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=expected):
        subject.read_checkpoint(folder, model="small")


@pytest.mark.parametrize(
    ("network", "expected"),
    [(None, 'no "network" section'), ({"widths": [1], "depth": 3}, "unknown: depth"), ({"code": 3}, "missing: widths")],
)
def test_network_fields_that_do_not_fit_are_named(tmp_path: pathlib.Path, network: Any, expected: str) -> None:
    checkpoint = subject.read_checkpoint(write(tmp_path / "a", {"network": network}))
    with pytest.raises(CheckpointError, match=expected):
        subject.read_network_config(checkpoint, SmallConfig)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_truncated_weights_are_refused(tmp_path: pathlib.Path, kept: int) -> None:
    folder = write(tmp_path / "a")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:kept])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        subject.read_checkpoint(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: pathlib.Path, value: float) -> None:
    bias = torch.zeros(2)
    bias[1] = value
    with pytest.raises(CheckpointError, match=r"NaN or infinite weights in 2\.bias"):
        subject.read_checkpoint(write(tmp_path / "a", **{"2.bias": bias}))


def test_weights_that_do_not_fit_are_listed(tmp_path: pathlib.Path) -> None:
    weights = subject.read_checkpoint(write(tmp_path / "a")).weights
    del weights["0.weight"], weights["0.bias"]
    weights["2.weight"] = torch.zeros(2, 5)
    weights |= {f"other.{i}": torch.zeros(1) for i in range(7)}
    with pytest.raises(CheckpointError) as caught:
        subject.load_weights(small_network(), weights, where="here")
    text = str(caught.value)
    assert "The weights in here do not fit Sequential" in text
    assert "2 missing (0.weight, 0.bias)" in text
    assert "7 extra (other.0, other.1, other.2, other.3, other.4, and 2 more)" in text
    assert "1 mis-shaped (2.weight is 2x5, needs 2x4)" in text
    assert "num_batches_tracked" not in text and "\n" not in text


def test_names_resolve_to_folders_first(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path / "checkpoints")
    monkeypatch.chdir(tmp_path)
    embedded = write(tmp_path / "checkpoints" / "perception" / "small")
    write(tmp_path / "checkpoints" / "large")
    assert weights.embedded_names() == ["large", "perception/small"]
    assert names.resolve("perception/small") == embedded
    local = write(tmp_path / "perception" / "small")
    assert names.resolve("perception/small").resolve() == local
    with pytest.raises(CheckpointError, match=r"No checkpoint is called 'lagre'.*: large, perception/small"):
        names.resolve("lagre")
    for path in ("./lagre", "../checkpoints/x", "a/b/c", tmp_path / "x"):
        with pytest.raises(CheckpointError, match="No checkpoint folder at"):
            names.resolve(path)
