"""What is measured, on which pairs, with which networks."""

import dataclasses
import pathlib
from typing import Literal

from reenact.errors import ConfigError

ProtocolName = Literal["self", "cross", "large-pose"]

JudgeInput = Literal["-1..1", "0..1", "0..255"]
"""Range to which a judge wants its RGB scaled."""

YAW_BINS_DEG = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0))
"""By the driving frame's yaw, either side; the last takes what lies beyond, too."""
TURN_BINS_DEG = ((0.0, 15.0), (15.0, 30.0), (30.0, 45.0), (45.0, 60.0), (60.0, 90.0), (90.0, 180.0))
"""By the difference of yaw between source and driving frame."""

PICTURE_PX = 256
"""Side of every picture that is measured."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure reenactment systems, and two baselines, on pairs of a labelled or prepared data set."""

    system: tuple[str, ...]
    """Systems to rank: embedded names, checkpoint folders or Hub repositories."""
    data: str
    """Labelled folder or prepared folder (docs/data.md), or the http(s):// or hf:// address of a prepared one."""
    out: pathlib.Path
    """Folder for report.json, report.md, pairs.json, values.csv and the contact sheets."""
    protocol: ProtocolName = "self"
    """self: a clip's first frame becomes its later ones. cross: one person, driven by another. large-pose: across
    large turns of the head."""
    pairs: int = 500
    """Pairs to draw; fewer if the data has fewer."""
    seed: int = 0
    """Of the draw."""
    split: str = "val"
    """Part of the data; people of it must not have been trained on."""
    pairs_file: pathlib.Path | None = None
    """A pairs.json written before, instead of a draw: the very same pairs."""
    labels: bool = False
    """Give systems the labels' geometry of source and driver instead of the embedded tracker's."""
    judge: pathlib.Path | None = None
    """Identity network (ONNX, aligned 112 px crops) for a second CSIM beside that of the embedded encoder."""
    judge_input: JudgeInput = "-1..1"
    """Range of the judge's input; ArcFace and EdgeFace want -1..1."""
    lpips_weights: pathlib.Path | None = None
    """torchvision's AlexNet, VGG-16 or SqueezeNet 1.1 weights, or a folder with them, for LPIPS; else torch's own
    download folder is looked into."""
    inception: pathlib.Path | None = None
    """torch-fidelity's Inception weights for FID; else torch's own download folder is looked into."""
    max_yaw: float = 30.0
    """large-pose: the near side's yaw lies below it, degrees."""
    min_yaw: float = 60.0
    """large-pose: the far side's yaw lies above it, degrees."""
    profiled: bool = False
    """large-pose: turn near-frontal pictures by face profiling, so that every yaw has pairs."""
    triplets: int = 100
    """cross: triplets for LSIM."""
    runs: int = 24
    """self and cross: runs of consecutive frames for the temporal jitter."""
    run_frames: int = 12
    """Length of such a run."""
    baselines: bool = True
    """Measure a copy of the source and the analytic mesh warp as well."""
    checks: bool = False
    """Also: all-zero relative motion, sharpness at 1,024 px, jitter of the tracker on a still clip."""
    sheet_rows: int = 3
    """Best, median and worst pairs on each contact sheet, so many of each; 0 draws none."""
    timings: int = 3
    """Batches drawn by each method to time it; 0 measures no cost."""
    draws: int = 2000
    """Bootstrap draws behind each 95 % interval."""
    fps: float = 12.5
    """Frames per second of the clips, for the tracker's filter."""
    cache: pathlib.Path = pathlib.Path("runs/cache")
    """Where decoded pictures are kept."""
    workers: int = 0
    """Processes; 0 takes one for every CPU core, and one on a GPU."""
    device: str = "cpu"
    """cpu, cuda, cuda:N, mps or auto."""
    overwrite: bool = False
    """Whether a folder that is already there may be written to."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: a number outside its range; the text names it.
        """
        if not self.system:
            raise ConfigError("No system to measure; give --system at least one name, folder or Hub repository.")
        for name in ("pairs", "draws"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name} must be 1 or more, got {getattr(self, name)}.")
        for name in ("triplets", "runs", "sheet_rows", "timings", "workers"):
            if getattr(self, name) < 0:
                raise ConfigError(f"--{name.replace('_', '-')} must not be negative, got {getattr(self, name)}.")
        if self.run_frames < 3:
            raise ConfigError(f"--run-frames must be 3 or more to show an acceleration, got {self.run_frames}.")
        if not 0 < self.max_yaw <= self.min_yaw < 90:
            raise ConfigError(
                f"--max-yaw {self.max_yaw:g} and --min-yaw {self.min_yaw:g} do not fit: 0 < max-yaw <= min-yaw < 90 "
                "degrees is needed."
            )
        if self.profiled and self.protocol != "large-pose":
            raise ConfigError(f"--profiled belongs to --protocol large-pose, not to {self.protocol}.")
        if self.profiled and self.checks:
            raise ConfigError("--checks needs whole clips; give it without --profiled.")
        if self.fps <= 0:
            raise ConfigError(f"--fps must be positive, got {self.fps:g}.")
