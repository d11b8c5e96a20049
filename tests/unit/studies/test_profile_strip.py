"""The strip of profiled pictures for the docs."""

import dataclasses
import pathlib

import cv2
import numpy as np
import pytest
import torch

from reenact.geometry.morphable import load_morphable
from reenact.geometry.rasterise import rasterise
from reenact.portrait.posed import build_head
from studies import profile_strip
from studies.profile_strip import draw_strip, main, mark
from tests.synthetic import face_set
from train.profiling.turn import turn_head

Portrait = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    """Picture, mesh and parsing of a painted face."""
    model = load_morphable()
    faces = face_set(model, np.random.default_rng(1), clips=0, frames=1, stills=1)
    covered = rasterise(torch.from_numpy(faces.mesh_px) / 2, model.triangles, 128, 128).covered.numpy()
    return faces.rgb[0], faces.mesh_px[0], covered[0].astype(np.uint8)


def test_faces_stand_above_what_is_known_of_them(portrait: Portrait) -> None:
    model = load_morphable()
    head = build_head(model, *portrait)
    faces = [turn_head(model, head, yaw) for yaw in (head.yaw_deg, 70.0)]
    strip = draw_strip(model, faces, 64)
    assert strip.shape == (128, 128, 3)
    assert np.array_equal(strip[:64, :64], cv2.resize(portrait[0], (64, 64), interpolation=cv2.INTER_AREA))
    own, turned = (mark(model, face) for face in faces)
    bare = dataclasses.replace(faces[0], mesh_px=faces[0].mesh_px + 9999)
    assert np.array_equal(mark(model, bare), portrait[0])  # nothing is made up, and no landmark lies within
    assert not np.array_equal(own, portrait[0])
    made_up = faces[1].visible == 0
    assert (turned[made_up] != faces[1].rgb[made_up]).mean() > 0.9


def test_the_command_writes_a_strip(
    portrait: Portrait, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profile_strip, "read_portrait", lambda _: portrait)
    out = tmp_path / "new" / "strip.jpg"
    assert main(["face.jpg", "--yaws", "-60", "0", "60", "--side", "48", "-o", str(out)]) == 0
    assert cv2.imread(str(out)).shape == (96, 144, 3)
    assert main(["face.jpg", "-o", str(tmp_path / "strip.nothing")]) == 2
    assert main(["face.jpg", "--yaws", "120", "-o", str(out)]) == 2
    assert main(["face.jpg", "--side", "0", "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert "yaws go from -90 to 90" in said
    assert "ends in .jpg or .png" in said
