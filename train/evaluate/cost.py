"""Cost of a frame: milliseconds on this machine, and multiply-accumulates."""

import dataclasses
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from reenact.types import FaceGeometry
from train.evaluate.bench import Bench
from train.evaluate.jobs import Job
from train.evaluate.methods import BATCH, Method


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of a method at 256 px."""

    ms_per_frame: float
    """Motion, retargeting and drawing of a frame in batches of `BATCH`, without tracking; the fastest batch."""
    gmac_per_frame: float
    """10^9 multiply-accumulates of the convolutions and matrix products among them, without sampling and
    rasterising."""
    gmac_per_source: float
    """10^9 multiply-accumulates to encode the source."""
    threads: int
    """CPU threads of torch."""


def measure_cost(bench: Bench, method: Method, job: Job, repeats: int) -> Cost:
    """Draw one frame of a job to count operations, and `repeats` batches to take the time."""
    one = dataclasses.replace(job, driving=job.driving[:1], driving_geometry=job.driving_geometry[:1])
    batch = dataclasses.replace(
        job, driving=job.driving[:1] * BATCH, driving_geometry=FaceGeometry.cat([one.driving_geometry] * BATCH)
    )
    bench.forget()
    with FlopCounterMode(display=False) as with_source:
        bench.draw(one, method)
    with FlopCounterMode(display=False) as drawing:
        bench.draw(one, method)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        bench.draw(batch, method)  # results are on the CPU, so GPU work is finished
        times.append((time.perf_counter() - start) * 1000 / BATCH)
    frame = drawing.get_total_flops()
    return Cost(
        ms_per_frame=min(times),
        gmac_per_frame=frame / 2e9,
        gmac_per_source=(with_source.get_total_flops() - frame) / 2e9,
        threads=torch.get_num_threads(),
    )
