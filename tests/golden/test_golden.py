"""Regression tests against committed outputs: mesh flow, toy networks and one training step at 64 px.

Inputs are a painted mesh of the morphable model and weights drawn with NumPy, so they need no pictures of people and
do not depend on PyTorch's initialisers. ``make golden`` rewrites the committed files.
"""

import os
import pathlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reenact.geometry.flow import draw_face, mesh_flow
from reenact.geometry.matching import match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.systems.correspondence.config import CorrespondenceConfig
from reenact.systems.correspondence.networks import CorrespondenceNetworks, mix
from reenact.types import CropSpec
from tests.synthetic import face_set, paint, pose_of, rotation_of
from train.pairs.frames import PairConfig
from train.recipes.correspondence.flow import CorrespondenceTask, CorrespondenceTaskConfig

FOLDER = pathlib.Path(__file__).parent
SIDE = 64
CONFIG = CorrespondenceConfig(crop=CropSpec(network_px=SIDE), widths=(4, 6, 8), match_width=4)
TOLERANCE = 1e-4


def check(name: str, values: dict[str, Tensor]) -> None:
    """Compare with ``NAME.npz``, or write it when REENACT_WRITE_GOLDEN is set."""
    path = FOLDER / f"{name}.npz"
    found = {key: value.detach().float().numpy() for key, value in values.items()}
    if os.environ.get("REENACT_WRITE_GOLDEN"):
        np.savez_compressed(path, **found)
        return
    assert path.is_file(), f"{path.name} is not in tests/golden; write it with `make golden`"
    with np.load(path, allow_pickle=False) as golden:
        assert set(golden.files) == set(found), "the set of tensors has changed; see `make golden`"
        for key, value in found.items():
            np.testing.assert_allclose(value, golden[key], atol=TOLERANCE, rtol=TOLERANCE, err_msg=f"{name}: {key}")


def seed_weights(networks: nn.Module) -> None:
    """Fill every tensor of `networks` with random numbers that depend only on the names and shapes of the tensors."""
    rng = np.random.default_rng(7)
    for name, value in sorted(networks.state_dict().items()):
        if not value.is_floating_point():
            continue
        numbers = torch.from_numpy(np.asarray(rng.normal(size=tuple(value.shape)), np.float32))
        if value.ndim > 1:
            value.copy_(numbers / value[0].numel() ** 0.5)
        else:
            value.copy_(value + 0.1 * numbers.abs() if "running_var" in name else value + 0.1 * numbers)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_morphable()


@pytest.fixture(scope="module")
def inputs(model: MorphableModel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Source and driving mesh in half-sides, and their pictures: rotated mean faces with different Action Units.

    They are committed, because rounding of a pose can change the triangle of a pixel on the rim.
    """
    path = FOLDER / "inputs.npz"
    if os.environ.get("REENACT_WRITE_GOLDEN"):
        units = torch.zeros(2, 17)
        units[0, 7], units[1, 15], units[1, 2] = 0.6, 0.8, 0.5
        pose = pose_of([rotation_of(4, -18, 3), rotation_of(-6, 22, -5)], scale=0.54, centre=(0.02, 0.05))
        mesh = pose.apply(model.mean + model.action_unit_offset(units))
        mesh_px = torch.cat([(mesh[..., :2] + 1) * (SIDE / 2), mesh[..., 2:] * (SIDE / 2)], -1)
        np.savez_compressed(path, mesh=mesh.numpy(), pictures=paint(model, mesh_px, SIDE).numpy())
    assert path.is_file(), "inputs.npz is not in tests/golden; write it with `make golden`"
    with np.load(path, allow_pickle=False) as stored:
        mesh, pictures = (torch.from_numpy(stored[name]) for name in ("mesh", "pictures"))
    return mesh[:1], mesh[1:], pictures[:1], pictures[1:]


def test_mesh_flow(model: MorphableModel, inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    source, driving, _, _ = inputs
    motion, neutral = read_mesh_motion(model, driving), read_mesh_motion(model, source)
    target = match_identity(model, split_identity(model, source), motion, neutral)
    # between the committed meshes: rounding of a fit can change pixels on the rim
    flow = mesh_flow(model, source, driving, SIDE)
    check(
        "mesh_flow",
        {
            "matched_mesh": target,
            "pncc": flow.target.pncc,
            "parts": flow.target.parts,
            "displacement": flow.displacement,
            "visible": flow.visible,
        },
    )


def test_networks(model: MorphableModel, inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    networks = CorrespondenceNetworks(CONFIG)
    seed_weights(networks)
    networks.eval().requires_grad_(False)
    source, driving, source_rgb, _ = inputs
    flow = mesh_flow(model, source, driving, SIDE // 2)
    features = networks.encode_source(source_rgb, draw_face(model, source, SIDE // 2).stacked)
    drawn = networks(features, source_rgb, flow.target.stacked, flow.displacement, flow.visible)
    values = drawn._asdict() | {"keys": features.keys, "mixed": mix(drawn, source_rgb)}
    check("networks", values)


def test_one_training_step(model: MorphableModel, inputs: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    """Uses SGD: Adam's first step is the sign of each gradient, which rounding can flip for small gradients."""
    data = face_set(model, np.random.default_rng(0), clips=1, frames=2, stills=1)
    config = CorrespondenceTaskConfig(
        pairs=PairConfig(side=SIDE), perceptual=0.0, adversarial=0.0, feature_matching=0.0
    )
    task = CorrespondenceTask(data, data, CONFIG, config)
    seed_weights(task.networks)
    task.networks.train()
    source, driving, source_rgb, driving_rgb = inputs
    first, second = torch.cat([source, driving]), torch.cat([driving, source])
    flow = mesh_flow(model, first, second, SIDE // 2)
    batch = {
        "source": torch.cat([source_rgb, driving_rgb]),
        "target": torch.cat([driving_rgb, source_rgb]),
        "source_maps": draw_face(model, first, SIDE // 2).stacked,
        "target_maps": flow.target.stacked,
        "parts": flow.target.parts,
        "displacement": flow.displacement,
        "visible": flow.visible,
        "own_colours": torch.cat([source_rgb, driving_rgb]),
        "head": flow.target.parts.new_ones(2, 1, SIDE, SIDE),
        "target_body": flow.target.parts.new_zeros(2, 1, SIDE, SIDE),
        "own_share": torch.cat([source_rgb, driving_rgb])[:, 1:2],
        "true_share": torch.cat([driving_rgb, source_rgb])[:, 1:2],
        "inside": flow.visible,
        "known": flow.visible.new_ones(2, 1, 1, 1),
        "window": torch.zeros(2, dtype=torch.long),
    }
    losses = task.compute_losses(task.networks(*task.inputs(batch)), batch, None)
    torch.stack(list(losses.values())).sum().backward()
    torch.nn.utils.clip_grad_norm_(task.networks.parameters(), 1.0)
    torch.optim.SGD(task.networks.parameters(), lr=0.1).step()
    after = {f"after.{name}": value for name, value in task.networks.state_dict().items() if value.is_floating_point()}
    check("training_step", {f"loss.{name}": value for name, value in losses.items()} | after)
