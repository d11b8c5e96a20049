"""A judge is an ONNX network of aligned crops; other files are refused."""

import pathlib
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import UnsupportedInputError
from reenact.perception.identity import ALIGNMENT_PX, alignment_points
from train.evaluate.encoders import OnnxEncoder, aligned_crops

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime (extra train) is not installed")


class Port:
    def __init__(self, shape: list[Any]) -> None:
        self.name, self.shape = "crop", shape


class Session:
    """Returns the mean of each channel of a crop."""

    inputs: tuple[Port, ...] = (Port(["n", 3, 112, 112]),)
    calls: tuple[tuple[int, ...], ...] = ()

    def __init__(self, *_: Any, **__: Any) -> None:
        type(self).calls = ()

    def get_inputs(self) -> list[Port]:
        return list(self.inputs)

    def run(self, _: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        type(self).calls += (given["crop"].shape,)
        return [given["crop"].mean((2, 3))]


@pytest.fixture
def judge(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A file that the patched onnxruntime opens as `Session`."""
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(Session, "inputs", (Port(["n", 3, 112, 112]),))
    (tmp_path / "judge.onnx").write_bytes(b"weights")
    return tmp_path / "judge.onnx"


def coloured(*colours: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(colours)[:, :, None, None].expand(-1, -1, 112, 112)


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [("0..255", (255.0, 51.0, 0.0)), ("0..1", (1.0, 0.2, 0.0)), ("-1..1", (1.0, -0.6, -1.0))],
)
def test_crops_are_scaled_for_the_judge_and_vectors_have_unit_length(
    judge: pathlib.Path, scaling: Any, expected: tuple[float, ...]
) -> None:
    vectors = OnnxEncoder(judge, scaling).embed(coloured((255, 51, 0), (0, 0, 255)))
    torch.testing.assert_close(vectors[0], torch.nn.functional.normalize(torch.tensor(expected), dim=0))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    assert Session.calls == ((2, 3, 112, 112),)


def test_a_judge_of_one_crop_gets_one_at_a_time(judge: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "inputs", (Port([1, 3, 112, 112]),))
    OnnxEncoder(judge, "0..1").embed(coloured((255, 51, 0), (0, 0, 255)))
    assert Session.calls == ((1, 3, 112, 112), (1, 3, 112, 112))


@pytest.mark.parametrize(
    "inputs", [(), (Port(["n", 3, 224, 224]),), (Port(["n", 112, 112, 3]),), (Port(["n", 3, 112, 112]),) * 2]
)
def test_a_judge_of_other_inputs_is_refused(
    judge: pathlib.Path, monkeypatch: pytest.MonkeyPatch, inputs: tuple[Port, ...]
) -> None:
    monkeypatch.setattr(Session, "inputs", inputs)
    with pytest.raises(UnsupportedInputError, match=r"has inputs .*, expected one of \(n, 3, 112, 112\)"):
        OnnxEncoder(judge, "-1..1")


@pytest.mark.parametrize("content", [b"", b"this is no network", b"\x08\x07" * 40])
def test_a_judge_that_is_no_onnx_file_is_refused(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "judge.onnx").write_bytes(content)
    with pytest.raises(UnsupportedInputError, match=r"onnxruntime cannot open the judge .*judge\.onnx"):
        OnnxEncoder(tmp_path / "judge.onnx", "-1..1")
    with pytest.raises(UnsupportedInputError, match=r"The judge .*no\.onnx does not exist; give an ONNX file"):
        OnnxEncoder(tmp_path / "no.onnx", "-1..1")


def test_crops_bring_the_five_points_to_their_places() -> None:
    mesh = np.random.default_rng(0).uniform(0, 1, (478, 3))
    places = ALIGNMENT_PX * 2 + 30
    for group, place in zip(((33, 133), (263, 362), (1,), (61,), (291,)), places, strict=True):
        mesh[list(group), :2] = place
    np.testing.assert_allclose(alignment_points(mesh), places)
    frame = np.zeros((300, 300, 3), np.uint8)
    x, y = places[2].round().astype(int)
    frame[y - 4 : y + 4, x - 4 : x + 4] = 255
    (crop,) = aligned_crops([frame], [mesh])
    brightest = np.argwhere(crop[0].numpy() > 200).mean(0)
    np.testing.assert_allclose(brightest[::-1] + 0.5, ALIGNMENT_PX[2], atol=0.7)
