"""``python -m studies.nearest_people --data DATA``: does the generator of latent directions give training people back?

Each random person is compared with all training pictures by the embedded identity encoder. A similarity above 0.6 is
refused: the command says so and ends with 1. Two pictures of one person have 0.86 on average, of two people about 0;
but somebody of thousands is rather alike, which pictures of people outside the training set show.
"""

import dataclasses
import pathlib
import sys
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from jaxtyping import Float, Int
from torch import Tensor

from reenact.errors import ConfigError, ReenactError
from reenact.geometry.morphable import load_morphable
from reenact.geometry.placement import to_half_sides
from reenact.hub.loading import load, random_people
from reenact.media.image import write_image
from reenact.pipeline.sample import TRUNCATION, check_sampling
from reenact.systems.latent_directions.aligned import move_mesh, read_state
from train.data.faces import CROP_PX, FaceData, load_faces
from train.readers import FaceReaders

REFUSED = 0.6
"""Similarity above which a random person counts as one of the training set."""
_AT_ONCE, _MEAN_OF, _SHOWN = 64, 500, 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Look for the people of the training set among those that the generator draws."""

    data: pathlib.Path
    """Labelled or prepared folder with the pictures that the generator was trained on."""
    cache: pathlib.Path = pathlib.Path("cache")
    """Folder for decoded pictures."""
    checkpoint: str | None = None
    """Export folder, or the name of an embedded system; the generator of `reenact sample` if left out."""
    samples: int = 1000
    """Number of random people, of the seeds from 0."""
    truncation: float = TRUNCATION
    """How far they may be from the mean person, 0 to 1."""
    sheet: Annotated[pathlib.Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Write the eight most similar random people to this PNG. Training pictures are not shown."""

    def __post_init__(self) -> None:
        check_sampling(0, self.truncation)
        if self.samples < 1:
            raise ConfigError(f"samples is {self.samples}; it must be 1 or more")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nearest:
    """The training picture that is most similar to each random person."""

    similarity: Float[Tensor, "n"]
    row: Int[Tensor, "n"]
    """Of the training split."""


def nearest(people: Float[Tensor, "n e"], training: Float[Tensor, "m e"]) -> Nearest:
    """By embeddings of unit length."""
    found = (people @ training.T).max(1)
    return Nearest(similarity=found.values, row=found.indices)


@torch.inference_mode()
def embed_training(faces: FaceData, readers: FaceReaders) -> Float[Tensor, "m e"]:
    """Identity of every picture of a split."""
    codes = []
    for first in range(0, len(faces), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        mesh = to_half_sides(torch.from_numpy(np.array(faces.mesh_px[rows], np.float32)), CROP_PX)
        rgb = torch.from_numpy(np.array(faces.rgb[rows])).permute(0, 3, 1, 2).float() / 255
        codes.append(readers.embed(rgb, readers.crops_of(mesh, CROP_PX)[1]))
    return torch.cat(codes)


@torch.inference_mode()
def embed_people(
    pictures: Float[Tensor, "n 3 s s"], mean_mesh: Float[Tensor, "1 478 3"], readers: FaceReaders
) -> Float[Tensor, "n e"]:
    """Identity of random people; the tracker looks for their faces where those of aligned crops lie."""
    codes, side = [], pictures.shape[-1]
    for part in pictures.split(_AT_ONCE):
        mesh = readers.read(part, readers.crops_of(mean_mesh.expand(len(part), -1, -1), side)[0]).mesh
        codes.append(readers.embed(part, readers.crops_of(mesh, side)[1]))
    return torch.cat(codes)


def mean_mesh(faces: FaceData) -> Float[Tensor, "1 478 3"]:
    """Where faces lie in aligned crops, half-sides."""
    rows = np.linspace(0, len(faces) - 1, min(_MEAN_OF, len(faces))).astype(int)
    mesh = to_half_sides(torch.from_numpy(np.array(faces.mesh_px[rows], np.float32)), CROP_PX)
    state = read_state(load_morphable(), mesh, 1)
    return move_mesh(mesh, state.aligned_from_mesh).mean(0, keepdim=True)


def run(arguments: Arguments) -> bool:
    """Measure and print; whether nobody came back."""
    chosen = arguments.checkpoint
    system: Any = random_people(torch.device("cpu")) if chosen is None else load(chosen, device="cpu")
    faces, readers = load_faces(arguments.data, "train", arguments.cache), FaceReaders()
    with torch.inference_mode():
        drawn = [system.draw_person(seed, arguments.truncation) for seed in range(arguments.samples)]
    pictures = torch.cat(drawn)
    training = embed_training(faces, readers)
    found = nearest(embed_people(pictures, mean_mesh(faces), readers), training)
    strangers = nearest(embed_training(load_faces(arguments.data, "val", arguments.cache), readers), training)
    order = found.similarity.argsort(descending=True)
    top, quantiles = int(order[0]), found.similarity.quantile(torch.tensor([0.5, 0.95, 1.0])).tolist()
    print(f"{len(pictures)} random people, truncation {arguments.truncation:g}, and {len(faces)} training pictures")
    print("similarity to the nearest one: median {:.3f}, 95 % {:.3f}, largest {:.3f}".format(*quantiles))
    share = float((strangers.similarity > REFUSED).float().mean())
    print(
        f"of {len(strangers.row)} pictures of real people outside the training set, {share:.0%} are above {REFUSED:g}"
    )
    print(f"the largest: seed {top} and {faces.names[int(found.row[top])]}")
    if arguments.sheet is not None:
        shown = torch.cat(list(pictures[order[:_SHOWN]]), 2)
        write_image(arguments.sheet, (shown * 255).round().byte().permute(1, 2, 0).numpy(), overwrite=True)
    if quantiles[-1] > REFUSED:
        count = int((found.similarity > REFUSED).sum())
        print(f"REFUSED: {count} of them are more similar than {REFUSED:g}; do not publish these weights.")
    return quantiles[-1] <= REFUSED


def main(argv: list[str] | None = None) -> int:
    """Run the command line: 0, 1 if somebody came back, 2 for errors that the user can fix."""
    try:
        return 0 if run(tyro.cli(Arguments, args=argv, prog="studies.nearest_people")) else 1
    except ReenactError as error:
        print(f"studies.nearest_people: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
