"""Settings of an evaluation."""

import dataclasses
import pathlib
from typing import Literal

from reenact.errors import ConfigError

ProtocolName = Literal["self", "cross", "large-pose"]

JudgeInput = Literal["-1..1", "0..1", "0..255"]
"""Range of a judge's RGB input."""

YAW_BINS_DEG = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0))
"""Bins of the driving frame's absolute yaw; the last has no upper end."""
TURN_BINS_DEG = ((0.0, 15.0), (15.0, 30.0), (30.0, 45.0), (45.0, 60.0), (60.0, 90.0), (90.0, 180.0))
"""Bins of the difference of yaw between source and driving frame."""

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
    """self: the first frame of a clip, driven by later ones. cross: one person, driven by another. large-pose: small
    and large yaws, driven by each other."""
    pairs: int = 500
    """Pairs to draw; fewer if the data has fewer."""
    seed: int = 0
    """Seed of the pairs."""
    split: str = "val"
    """Split of the data. Its people must not have been trained on."""
    pairs_file: pathlib.Path | None = None
    """A pairs.json of an earlier evaluation, to use the same pairs."""
    labels: bool = False
    """Take the geometry of sources and driving frames from the labels instead of the embedded tracker."""
    judge: pathlib.Path | None = None
    """Face recognition network (ONNX, aligned 112 px crops) for a second CSIM besides that of the embedded encoder."""
    judge_input: JudgeInput = "-1..1"
    """Range of the judge's input; ArcFace and EdgeFace use -1..1."""
    lpips_weights: pathlib.Path | None = None
    """LPIPS: torchvision's AlexNet, VGG-16 or SqueezeNet 1.1 weights, or a folder with them. Default: torch's download
    folder."""
    inception: pathlib.Path | None = None
    """FID: torch-fidelity's Inception weights, or a folder with them. Default: torch's download folder."""
    max_yaw: float = 30.0
    """large-pose: largest yaw of the near side, degrees."""
    min_yaw: float = 60.0
    """large-pose: smallest yaw of the far side, degrees."""
    profiled: bool = False
    """large-pose: turn near-frontal pictures by face profiling, so that there are pairs at every yaw."""
    triplets: int = 100
    """cross: triplets for LSIM."""
    runs: int = 24
    """self and cross: runs of consecutive frames for the temporal jitter."""
    run_frames: int = 12
    """Frames per run."""
    painters: bool = True
    """Let the painters draw mouths and eyes; --no-painters shows what the systems draw alone."""
    baselines: bool = True
    """Also measure a copy of the source and the mesh warp."""
    checks: bool = False
    """Also check all-zero relative motion, sharpness at 1,024 px, and jitter of the tracker on a still clip."""
    sheet_rows: int = 3
    """How many worst, median and best pairs each contact sheet shows; 0: no sheets."""
    sheet_by: tuple[str, ...] = ()
    """Measures that order the pairs of a sheet each, by their names in report.json, as rim_features. Default: one sheet
    by LPIPS, else the feature distance, else landmarks."""
    timings: int = 3
    """Batches to time for each method; 0: no cost."""
    draws: int = 2000
    """Bootstrap draws per 95 % interval."""
    fps: float = 12.5
    """Frames per second of the clips, for the tracker's filter."""
    cache: pathlib.Path = pathlib.Path("runs/cache")
    """Folder for decoded pictures."""
    workers: int = 0
    """Processes; 0: one per CPU core, or one on a GPU."""
    device: str = "cpu"
    """cpu, cuda, cuda:N, mps or auto."""
    overwrite: bool = False
    """Write to an output folder that is not empty."""

    def __post_init__(self) -> None:
        """Refuse invalid settings.

        Raises:
            ConfigError: a value is outside its range; the text names it.
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
                f"--max-yaw is {self.max_yaw:g} and --min-yaw {self.min_yaw:g}; give degrees with "
                "0 < max-yaw <= min-yaw < 90."
            )
        if self.profiled and self.protocol != "large-pose":
            raise ConfigError(f"--profiled is only for --protocol large-pose, not for {self.protocol}.")
        if self.profiled and self.checks:
            raise ConfigError("--checks needs clips; give it without --profiled.")
        if self.fps <= 0:
            raise ConfigError(f"--fps must be positive, got {self.fps:g}.")
