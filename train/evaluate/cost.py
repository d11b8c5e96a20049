"""What a frame costs: milliseconds here, multiply-accumulates everywhere."""

import dataclasses
import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from reenact.types import FaceGeometry
from train.evaluate.bench import Bench
from train.evaluate.jobs import Job
from train.evaluate.methods import BATCH, Method

_REPEATS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """Of a method, at 256 px."""

    ms_per_frame: float
    """Motion, retargeting and drawing of one frame in a batch of `BATCH`; median of repeats. Without tracking."""
    gmac_per_frame: float
    """10^9 multiply-accumulates of convolutions and matrix products in the same; sampling and rasterising are not
    counted."""
    gmac_per_source: float
    """Of encoding the source, once."""
    threads: int
    """CPU threads of torch."""


def measure_cost(bench: Bench, method: Method, job: Job) -> Cost:
    """Draw a batch made of a job's frames, again and again."""
    rows = (job.driving * BATCH)[:BATCH]
    geometry = FaceGeometry.cat([job.driving_geometry] * BATCH)[:BATCH]
    full = dataclasses.replace(job, driving=rows, driving_geometry=geometry)
    bench.forget()
    with torch.inference_mode(), FlopCounterMode(display=False) as both:
        bench.draw(full, method)
    with torch.inference_mode(), FlopCounterMode(display=False) as drawing:
        bench.draw(full, method)
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        bench.draw(full, method)  # ends with pixels on the CPU: no clock runs ahead of a GPU
        times.append((time.perf_counter() - start) * 1000 / BATCH)
    frames = drawing.get_total_flops()
    return Cost(
        ms_per_frame=statistics.median(times),
        gmac_per_frame=frames / 2e9 / BATCH,
        gmac_per_source=(both.get_total_flops() - frames) / 2e9,
        threads=torch.get_num_threads(),
    )
