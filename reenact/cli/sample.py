"""``reenact sample``."""

import dataclasses
import pathlib
from typing import Annotated

from tyro.conf import arg

from reenact.cli.marking import Marking
from reenact.cli.output import report


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample(Marking):
    """Draw people who do not exist. Experimental: soft faces of 128 pixels."""

    out: Annotated[pathlib.Path, arg(aliases=["-o"])]
    """Output file; its suffix chooses the format."""
    seed: int = 0
    """Which person, from 0; the same seed gives the same person again on the same machine."""
    truncation: float = 0.4
    """How far people may be from the mean one, 0 to 1."""
    count: int = 1
    """Number of people, with this seed and the next ones, in a grid."""
    checkpoint: str | None = None
    """Weights: a folder with config.json and model.safetensors, or owner/name or owner/name@revision on the Hub."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    overwrite: bool = False
    """Replace existing files."""

    def run(self) -> None:
        """Write the picture."""
        from reenact.media import write_image
        from reenact.media.output import IMAGE_SUFFIXES, check_output

        check_output(self.out, overwrite=self.overwrite, suffixes=IMAGE_SUFFIXES)
        self.check_marking()
        from reenact.pipeline.sample import sample_people

        people = sample_people(
            self.seed,
            truncation=self.truncation,
            count=self.count,
            checkpoint=self.checkpoint,
            device=self.device,
        )
        origin = self.origin(text="Synthetic: drawn by the program reenact")
        write_image(self.out, people, overwrite=self.overwrite, origin=origin)
        report(f"{self.out}: {people.shape[1]} x {people.shape[0]} pixels", ())
