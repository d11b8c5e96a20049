"""What each column of A does: one random person, and one value of p changed at a time.

    python -m train.latent_sheet -o sheet.png
    python -m train.latent_sheet --checkpoint runs/mine/export --seed 3 -o sheet.png

Nobody of a data set is shown.
"""

import dataclasses
import math
import pathlib
import sys
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import tyro
from jaxtyping import UInt8

from reenact.errors import ConfigError, ReenactError
from reenact.hub import load
from reenact.hub.loading import random_people
from reenact.media.image import write_image
from reenact.pipeline.sample import LARGEST_SEED
from reenact.systems.latent_directions.aligned import parameter_names
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from reenact.systems.latent_directions.people import RandomPeople

_STRIP_PX = 18


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Draw what the directions of a checkpoint do."""

    out: Annotated[pathlib.Path, tyro.conf.arg(aliases=("-o",))]
    """PNG to write."""
    checkpoint: str = "people"
    """Export folder of a system, the name of an embedded one, or "people": the embedded generator of random people."""
    seed: int = 0
    """Of the random person."""
    truncation: float = 0.6
    """How far the person may be from the mean, 0 to 1."""
    rows: int = 16
    """Columns of A that are drawn, one in each row of the sheet; the first ones are angles, jaw, lids and gaze."""
    reach: float = 1.0
    """Largest change, in standard deviations."""
    overwrite: bool = False
    """Replace an existing file."""

    def __post_init__(self) -> None:
        if not 0 <= self.truncation <= 1:
            raise ConfigError(f"truncation is {self.truncation}; it must be between 0 and 1")
        if not 0 <= self.seed <= LARGEST_SEED or self.rows < 1:
            raise ConfigError(f"seed must be from 0 to {LARGEST_SEED}, rows 1 or more")
        if not 0 < self.reach < math.inf:
            raise ConfigError(f"reach is {self.reach}; it must be a number above 0")


@torch.inference_mode()
def draw_directions(
    networks: LatentDirectionsNetworks | RandomPeople, *, seed: int, truncation: float, rows: int, reach: float
) -> UInt8[np.ndarray, "height width 3"]:
    """A row for each of the first columns of A, from minus to plus `reach`."""
    config = networks.config
    names = parameter_names(config.expressions)[:rows]
    z = torch.randn(1, config.latent, generator=torch.Generator().manual_seed(seed))
    w = networks.mapping.sample(z, truncation)
    steps = torch.linspace(-reach, reach, 5)
    sheet = []
    for column, name in enumerate(names):
        change = torch.zeros(len(steps), networks.directions.matrix.shape[-1])
        change[:, column] = steps
        drawn = networks.generator(w + networks.directions(change)).clamp(0, 1)
        row = (torch.cat(list(drawn), dim=2).permute(1, 2, 0) * 255).round().byte().numpy()
        strip = np.full((_STRIP_PX, row.shape[1], 3), 245, np.uint8)
        text = f"{name}: {-reach:g} to {reach:g}"
        cv2.putText(strip, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (30, 30, 30), 1, cv2.LINE_AA)
        sheet += [strip, row]
    return np.concatenate(sheet)


def _load_networks(checkpoint: str) -> LatentDirectionsNetworks | RandomPeople:
    if checkpoint == "people":
        return random_people(torch.device("cpu"))
    system: Any = load(checkpoint, device="cpu")
    if system.system != "latent_directions":
        raise ConfigError(f"{checkpoint} holds {system.system!r}, which has no latent directions")
    return system.networks


def main(argv: list[str] | None = None) -> int:
    """Run the command line; 2 for errors that the user can fix."""
    try:
        arguments = tyro.cli(Arguments, args=argv, prog="train.latent_sheet")
        asked = {name: getattr(arguments, name) for name in ("seed", "truncation", "rows", "reach")}
        sheet = draw_directions(_load_networks(arguments.checkpoint), **asked)
        write_image(arguments.out, sheet, overwrite=arguments.overwrite)
    except ReenactError as error:
        print(f"train.latent_sheet: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
