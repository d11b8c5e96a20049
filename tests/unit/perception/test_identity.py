import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from reenact.perception.identity import (
    ALIGNMENT_MESH,
    ALIGNMENT_PX,
    IDENTITY_CROP_PX,
    IdentityConfig,
    IdentityNetwork,
    alignment_points,
    fit_similarity,
    identity_crop,
    similarity,
)

SMALL = IdentityConfig(widths=(4, 8, 8, 8), blocks=(1, 1, 1), embedding=16)


def similarity_transform(scale: float, turn_rad: float, shift: tuple[float, float]) -> np.ndarray:
    c, s = scale * np.cos(turn_rad), scale * np.sin(turn_rad)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]], [0, 0, 1]])


def mesh_on_template() -> np.ndarray:
    """A mesh whose five places lie where the template wants them."""
    mesh = np.random.default_rng(0).uniform(0, 112, (478, 3))
    for group, place in zip(ALIGNMENT_MESH, ALIGNMENT_PX, strict=True):
        spread = np.linspace(-3, 3, len(group)) if len(group) > 1 else np.zeros(1)
        for index, offset in zip(group, spread, strict=True):
            mesh[index, :2] = place + [offset, 0]
    return mesh


def test_five_places_are_read_off_the_mesh():
    assert np.allclose(alignment_points(mesh_on_template()), ALIGNMENT_PX)


@given(scale=st.floats(0.2, 6), turn=st.floats(-3, 3), x=st.floats(-300, 300), y=st.floats(-300, 300))
def test_crop_brings_a_face_back_to_the_template(scale: float, turn: float, x: float, y: float):
    frame_from_crop = similarity_transform(scale, turn, (x, y))
    mesh = mesh_on_template()
    mesh[:, :2] = mesh[:, :2] @ frame_from_crop[:2, :2].T + frame_from_crop[:2, 2]
    crop_from_frame = identity_crop(mesh)
    assert np.allclose(crop_from_frame @ frame_from_crop, np.eye(3), atol=1e-5)
    points = alignment_points(mesh) @ crop_from_frame[:2, :2].T + crop_from_frame[:2, 2]
    assert np.allclose(points, ALIGNMENT_PX, atol=1e-4)


@given(seed=st.integers(0, 1000))
def test_no_similarity_near_the_fitted_one_is_better(seed: int):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0, 30, (5, 2)), rng.normal(50, 30, (5, 2))

    def error(matrix: np.ndarray) -> float:
        return float(np.square(source @ matrix[:2, :2].T + matrix[:2, 2] - target).sum())

    best = fit_similarity(source, target)
    for _ in range(10):
        nudge = similarity_transform(1 + rng.normal(0, 0.02), rng.normal(0, 0.02), tuple(rng.normal(0, 1, 2)))
        assert error(nudge @ best) >= error(best) - 1e-6


def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    network = IdentityNetwork(SMALL).eval()
    crops = torch.rand(3, 3, IDENTITY_CROP_PX, IDENTITY_CROP_PX)
    with torch.no_grad():
        together = network(crops)
        apart = torch.cat([network(crop[None]) for crop in crops])
    assert together.shape == (3, 16)
    assert torch.allclose(together.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(together, apart, atol=1e-5)
    assert torch.allclose(similarity(together, together), torch.ones(3), atol=1e-5)


def test_default_network_has_the_teachers_length():
    network = IdentityNetwork(IdentityConfig()).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 112, 112)).shape == (1, 256)
    assert sum(value.numel() for value in network.parameters()) < 2_500_000
