"""Toy systems for tests.

A new system joins the suite with one entry in `SYSTEMS_UNDER_TEST`.
"""

import dataclasses
from typing import Any

import numpy as np
import torch

from reenact.geometry.morphable import load_morphable
from reenact.systems.base import Reenactor
from reenact.systems.catalog import CATALOG
from reenact.types import CropSpec, FaceGeometry, FaceImage
from tests.synthetic import painted_clip
from train.run.export import as_loaded

AnyReenactor = Reenactor[Any, Any, Any]
Clip = tuple[FaceImage, FaceGeometry]

SIDE = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class SystemUnderTest:
    """One system."""

    network: dict[str, Any]
    """The "network" section of a config.json, as small as possible; `crop` is added."""
    refused: tuple[tuple[dict[str, Any], str], ...]
    """Changes of the network config that it refuses, with words of the error."""


SYSTEMS_UNDER_TEST = {
    "correspondence": SystemUnderTest(
        network={"widths": [8, 12, 16], "blocks": 1, "match_width": 8},
        refused=(
            ({"crop": {"network_px": 200}}, "network_px is halved four times; 200 is no multiple of 16"),
            ({"widths": [8, 0, 8]}, "must be 1 or more"),
            ({"blocks": 0}, "must be 1 or more"),
            ({"match_width": -1}, "must be 1 or more"),
        ),
    ),
    "dual_generator": SystemUnderTest(
        network={
            "stem": 2,
            "landmark_width": 16,
            "action_code": 8,
            "decoder_width": 16,
            "width": 8,
            "max_width": 16,
            "style": 8,
            "style_px": 64,
            "style_width": 4,
            "style_max_width": 16,
        },
        refused=(
            ({"stem": 4, "crop": {"network_px": 80}}, "make it a multiple of 64"),
            ({"style_px": 100}, "style_px is 100"),
            ({"action_code": 0}, "must be 1 or more"),
        ),
    ),
    "facegan": SystemUnderTest(
        network={"widths": [8, 12], "mixer_widths": [8, 12], "transformer_width": 32},
        refused=(
            ({"sides": 3}, "1 or 2, got 3"),
            ({"reduction": 3}, "1, 2, 4 or 8, got 3"),
            ({"reduction": 1}, "reduction must be 2 or more"),
            ({"widths": [8, 8, 8, 8, 8, 8]}, "64 is no multiple"),
            ({"widths": [8, 0, 8]}, "must be 1 or more"),
        ),
    ),
    "latent_directions": SystemUnderTest(
        network={
            "widths": [8, 8, 6, 4],
            "latent": 16,
            "mapping_layers": 2,
            "encoder_widths": [4, 6, 8],
            "encoder_hidden": 12,
            "directed_layers": 4,
            "expressions": 5,
            "feature_widths": [4, 6],
            "refined_side": 8,
        },
        refused=(
            ({"encoder_widths": [4, 6]}, "from 32 to 4 pixels it takes 3"),
            ({"directed_layers": 9}, "directed_layers is 9; the generator has 8 layers"),
            ({"refined_side": 32}, "refined_side is 32"),
            ({"latent": 0}, "must be 1 or more"),
        ),
    ),
}


def network_of(name: str, **changes: Any) -> dict[str, Any]:
    """The "network" section of a toy config.json."""
    crop = dataclasses.asdict(CropSpec(network_px=SIDE))
    return SYSTEMS_UNDER_TEST[name].network | {"crop": crop} | changes


def build(name: str, *, prepared: bool = True, **changes: Any) -> AnyReenactor:
    """A toy system with random weights and statistics, rounded as a file holds them, ready to draw."""
    torch.manual_seed(0)
    system = CATALOG[name].load_class().from_config(network_of(name, **changes))
    with torch.no_grad():
        for key, value in system.networks.state_dict().items():
            if value.is_floating_point():
                value += 0.05 * torch.rand_like(value) if "running" in key else 0.05 * torch.randn_like(value)
    as_loaded(system.networks)
    if prepared:
        system.prepare()
    return system


def painted(seed: int, frames: int, side: int) -> Clip:
    """Crops with everything that a system can need: a head with hair above the face, and a face code."""
    image, geometry = painted_clip(load_morphable(), np.random.default_rng(seed), frames, side)
    parsing = torch.zeros(frames, 48, 48, dtype=torch.uint8)
    parsing[:, 8:36, 12:36], parsing[:, 2:12, 12:36] = 1, 2
    codes = torch.nn.functional.normalize(torch.ones(frames, 256), dim=1)
    return dataclasses.replace(image, parsing=parsing, embedding=codes), geometry
