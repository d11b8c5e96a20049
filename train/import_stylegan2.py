"""A public StyleGAN2 generator as the start of ``latent_directions``' `paper` preset.

    python -m train.import_stylegan2 stylegan2.safetensors -o runs/stylegan2
    accelerate launch -m train latent_directions_inversion --preset paper --init runs/stylegan2 ...

The file holds the generator (``g_ema``) of a checkpoint in the naming of the PyTorch version that the paper builds on
(``style.1.weight``, ``conv1.conv.weight`` ...), saved as safetensors.
"""

import dataclasses
import pathlib
import re
import sys
from typing import Annotated

import torch
import tyro
from safetensors import SafetensorError
from safetensors.torch import load_file

from reenact.errors import CheckpointError, ReenactError
from reenact.hub.checkpoint import load_weights
from reenact.systems.latent_directions.config import PRESETS, LatentDirectionsConfig
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from train.recipes.latent_directions.task import PARTS

_CONSTANTS = re.compile(r"(^noises\.|\.kernel$)")
"""Fixed noise, and filters that are constants here."""
_SAMPLES = 4096
"""Random w whose mean is the centre, if the file has none."""


def their_name(name: str) -> str:
    """Name in such a checkpoint of a weight of `mapping` or `generator`; ``mapping.mean_w`` is ``latent_avg``."""
    if name == "mapping.mean_w":
        return "latent_avg"
    if found := re.fullmatch(r"mapping\.layers\.(\d+)\.(weight|bias)", name):
        return f"style.{int(found[1]) + 1}.{found[2]}"
    if name == "generator.constant":
        return "input.input"
    _, block, *rest = name.split(".")
    if block in ("first", "first_rgb"):
        theirs = "conv1" if block == "first" else "to_rgb1"
    else:
        level, rest = int(rest[0]), rest[1:]
        theirs = {"rises": f"convs.{2 * level}", "convs": f"convs.{2 * level + 1}", "to_rgbs": f"to_rgbs.{level}"}[
            block
        ]
    last = ".".join(rest)
    if last == "bias" and "rgb" not in block:
        return f"{theirs}.activate.bias"
    return f"{theirs}.{last.replace('noise_strength', 'noise.weight').replace('style', 'modulation')}"


def read_generator(path: pathlib.Path, config: LatentDirectionsConfig) -> LatentDirectionsNetworks:
    """Networks of `config` with the mapping network and the generator of a file.

    Raises:
        CheckpointError: it cannot be read; weights are missing, left over, or of other sizes. The text lists them.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is no readable safetensors file ({error}); save g_ema as safetensors") from error
    networks = LatentDirectionsNetworks(config)
    parts = torch.nn.ModuleDict({"mapping": networks.mapping, "generator": networks.generator})
    wanted = {name: value for name, value in parts.state_dict().items() if name != "mapping.row_offsets"}
    theirs = {name: their_name(name) for name in wanted}
    has_mean = "latent_avg" in found
    missing = [name for name in theirs.values() if name not in found and name != "latent_avg"]
    known = set(theirs.values())
    unknown = [name for name in found if name not in known and not _CONSTANTS.search(name)]
    if missing or unknown:
        raise CheckpointError(
            f"{path} is no StyleGAN2 generator of {config.side} px and these widths: it lacks "
            f"{', '.join(sorted(missing)[:5]) or 'nothing'} and also has {', '.join(sorted(unknown)[:5]) or 'nothing'}"
        )
    weights = {}
    for name, value in wanted.items():
        given = found.get(theirs[name], value)
        if given.numel() != value.numel():
            raise CheckpointError(
                f"{theirs[name]} in {path} is {tuple(given.shape)}, this preset needs {tuple(value.shape)}; take a "
                f"checkpoint of {config.side} px whose channels are {', '.join(map(str, config.widths))}"
            )
        weights[name] = given.reshape(value.shape).float()
    load_weights(parts, weights | {"mapping.row_offsets": networks.mapping.row_offsets}, where=str(path))
    if not has_mean:
        with torch.no_grad():
            z = torch.randn(_SAMPLES, config.latent, generator=torch.Generator().manual_seed(0))
            networks.mapping.mean_w.copy_(networks.mapping(z).mean(0))
    return networks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Turn a public StyleGAN2 checkpoint into a folder for ``--init``."""

    file: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(help="The generator, as safetensors.")]
    out: Annotated[pathlib.Path, tyro.conf.arg(aliases=("-o",))]
    """Folder to write."""
    preset: str = "paper"
    """Sizes of the networks."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; 2 for errors that the user can fix."""
    arguments = tyro.cli(Arguments, args=argv, prog="train.import_stylegan2")
    try:
        config = PRESETS[arguments.preset]
        networks = read_generator(arguments.file, config)
        kept = torch.nn.ModuleDict({"mapping": networks.mapping, "generator": networks.generator})
        PARTS.write(kept, {}, config, arguments.out, {"imported": arguments.file.name})
    except ReenactError as error:
        print(f"train.import_stylegan2: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
