"""Made-up sets and outcomes for the tests of the evaluation."""

import pathlib
from typing import Any

import numpy as np

from tests.synthetic import rotation_of
from train.data.faces import FaceData
from train.evaluate.jobs import Outcome
from train.evaluate.settings import Settings


def set_of(*clips: list[float], stills: list[float] | None = None, people: list[int] | None = None) -> FaceData:
    """One clip for each list of yaws in degrees, each of another person unless `people` says who, then stills."""
    stills = [] if stills is None else stills
    yaws = [yaw for clip in clips for yaw in clip] + stills
    count, frames = len(yaws), sum(map(len, clips))
    owner = list(range(len(clips) + len(stills))) if people is None else people
    lengths = [len(clip) for clip in clips] + [1] * len(stills)
    rng = np.random.default_rng(len(yaws))
    return FaceData(
        rgb=rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8),
        mesh_px=rng.uniform(60, 200, (count, 478, 3)).astype(np.float32),
        blendshapes=rng.uniform(0, 1, (count, 52)).astype(np.float32),
        rotation=np.stack([rotation_of(yaw_deg=yaw).numpy() for yaw in yaws]).astype(np.float32),
        embedding=np.zeros((count, 256), np.float32),
        parsing=np.zeros((count, 128, 128), np.uint8),
        has_parsing=np.zeros(count, bool),
        person=np.repeat(np.array(owner), lengths),
        clip=np.concatenate([np.repeat(np.arange(len(clips)), lengths[: len(clips)]), np.full(count - frames, -1)]),
        names=tuple(
            [f"c{i}:{j}" for i, clip in enumerate(clips) for j in range(len(clip))]
            + [f"s{i}" for i in range(len(stills))]
        ),
    )


def outcome(method: str, driving: int, source: int = 0, mode: str = "absolute", **values: float) -> Outcome:
    """Outcome of a pair."""
    return Outcome(method=method, mode=mode, kind="pair", source=source, driving=driving, values=values)


def settings(**changes: Any) -> Settings:
    """Settings that name nothing real."""
    return Settings(**{"system": ("a",), "data": "DATA", "out": pathlib.Path("OUT"), **changes})
