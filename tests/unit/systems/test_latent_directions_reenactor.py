"""What is said of sources that the generator does not know."""

import dataclasses
from typing import Any

import pytest
import torch

from reenact.types import FaceGeometry, FaceImage
from tests.contract.systems import build, painted


@pytest.mark.parametrize(("likeness", "noted"), [(0.69, True), (0.71, False)])
def test_a_poor_inversion_is_noted_with_its_score_and_another_system(likeness: float, noted: bool) -> None:
    system: Any = build("latent_directions")
    image, geometry = painted(20, 1, 96)
    identity = system.encode_identity(image, geometry)
    assert system.source_notes(identity, geometry) == ()  # nothing embeds faces
    seen = list[tuple[FaceImage, FaceGeometry]]()

    def fill(faces: FaceImage, places: FaceGeometry, needs: frozenset[str]) -> FaceImage:
        seen.append((faces, places))
        codes = torch.tensor([[1.0, 0.0], [likeness, (1 - likeness**2) ** 0.5]])
        return dataclasses.replace(faces, embedding=codes)

    system.fill_needs = fill
    notes = system.source_notes(identity, geometry)
    assert len(notes) == noted
    if noted:
        assert "poor" in notes[0] and "0.69" in notes[0] and "take the system correspondence" in notes[0]
    faces, places = seen[0]
    torch.testing.assert_close(faces.rgb[:1], system.aligned(identity.rgb, identity.state))
    side = faces.rgb.shape[-1]
    assert places.mesh_px[..., :2].min() > 0
    assert places.mesh_px[..., :2].max() < side


def test_tuning_brings_the_inversion_nearer_and_gives_the_same_again() -> None:
    system: Any = build("latent_directions")
    identity = system.encode_identity(*painted(20, 1, 96))
    own = {name: value.clone() for name, value in system.networks.state_dict().items()}
    told = list[tuple[int, int, str]]()
    with torch.inference_mode():
        first, second = (system.tune(identity, 8, lambda *said: told.append(said)) for _ in range(2))
    source = system.aligned(identity.rgb, identity.state)
    seen = torch.ones_like(source[:, :1])
    before, after = (
        (system.networks.refine(identity.w, source, seen, each).rgb - source).abs().mean()
        for each in (None, first.generator)
    )
    assert after < 0.9 * before
    for a, b in zip(first.generator.parameters(), second.generator.parameters(), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(value, own[name]) for name, value in system.networks.state_dict().items())
    assert told[:8] == [(step, 8, "tuning") for step in range(1, 9)]
