"""The correspondence system as a whole: what it must not touch."""

import pytest
import torch

from reenact.geometry.placement import to_half_sides
from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.correspondence.reenactor import CorrespondenceReenactor
from reenact.types import CropSpec, FaceGeometry, FaceImage


def still_face(system: CorrespondenceReenactor, side: int) -> FaceGeometry:
    """The mean face in the middle of a crop of `side` pixels."""
    mesh = system.morphable.mean * torch.tensor([1.0, -1.0, -1.0]) * (side / 4) + side / 2
    return FaceGeometry(
        mesh_px=mesh[None],
        blendshapes=torch.zeros(1, 52),
        rotation=torch.eye(3)[None],
        action_units=torch.zeros(1, 17),
        score=torch.ones(1),
    )


@pytest.mark.parametrize("side", [64, 200])
def test_a_face_that_does_not_move_is_the_source_bit_for_bit(side: int) -> None:
    crop = CropSpec(network_px=64)
    system = CorrespondenceReenactor(CorrespondenceConfig(crop=crop, widths=(8, 8, 8), match_width=8))
    system.prepare()
    image = FaceImage(rgb=torch.rand(1, 3, side, side), crop_from_frame=torch.eye(3)[None])
    face = still_face(system, side)
    identity = system.encode_identity(image, face)
    motion = system.read_motion(None, face)
    rendered = system.render(identity, system.retarget(identity, motion, motion, "relative"))
    assert torch.equal(rendered.rgb, image.rgb)
    assert rendered.changed.max() == 0


def test_half_sides_run_from_edge_to_edge() -> None:
    mesh = torch.tensor([[[0.0, 0, 0], [100, 100, 50]]]).repeat(1, 239, 1)
    halves = to_half_sides(mesh, 100)
    assert halves[0, 0].tolist() == [-1, -1, 0] and halves[0, 1].tolist() == [1, 1, 1]
