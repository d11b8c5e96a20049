"""Speed and memory of `reenact video`, in total and by stage.

``python -m benchmarks.speed`` prints a table and writes JSON. The clip is generated: a swaying face, looped to any
length. Stages are timed one by one; whole runs of `reenact_video` are timed in a separate process.
"""

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Annotated

import tyro

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
TARGETS = {"frames_per_second": 12.0, "cold_start_s": 5.0, "peak_memory_mb": 1500.0, "page_answer_s": 15.0}
"""Targets on two CPU cores with a 256 px crop."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speed:
    """Measure the speed and memory of ``reenact video``."""

    out: Annotated[pathlib.Path, tyro.conf.arg(aliases=["-o"])] = pathlib.Path("runs/speed.json")
    """Output file."""
    frames: int = 100
    """Frames of the short run and of the stages."""
    long_frames: int = 3000
    """Frames of the long run, whose peak memory should equal that of the short one."""
    crop_px: int = 256
    """Side of the source's crop."""
    threads: int = 2
    """CPU threads of torch."""
    checkpoint: str = "correspondence"
    """System to measure."""
    quick: bool = False
    """A few frames and no long run, only to check that everything works."""


def main(settings: Speed) -> None:
    """Measure, print, write."""
    if settings.quick:
        settings = dataclasses.replace(settings, frames=16, long_frames=0)
    os.environ["OMP_NUM_THREADS"] = str(settings.threads)
    with tempfile.TemporaryDirectory() as folder:
        source, short = pathlib.Path(folder) / "source.png", pathlib.Path(folder) / "short.mp4"
        make_material(source, short, settings)
        result: dict[str, object] = {"machine": describe_machine(), "settings": jsonable(settings)}
        result["stages_ms"] = stages = time_stages(source, short, settings)
        result["short_run"] = measure_run(source, short, settings)
        result["page"] = measure_page()
        if settings.long_frames:
            longer = pathlib.Path(folder) / "long.mp4"
            loop_clip(short, longer, settings.long_frames)
            result["long_run"] = measure_run(source, longer, settings)
        result["targets"] = TARGETS
    print_table(stages, result)
    write_result(settings.out, result)


def write_result(path: pathlib.Path, result: Mapping[str, object]) -> None:
    """Write the figures of a benchmark as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {path}")


def measure_page() -> dict[str, float]:
    """Seconds from ``python app.py`` until its page is open and until its first request is answered."""
    import socket

    import gradio_client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pictures = (REPOSITORY / "examples/portraits/astronaut.jpg", REPOSITORY / "examples/driving/actor-smile.jpg")
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port)}
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as app:
        try:
            while app.poll() is None and time.perf_counter() - started < 120:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            client = gradio_client.Client(f"http://127.0.0.1:{port}", verbose=False)
            open_s = time.perf_counter() - started
            client.predict(*map(gradio_client.handle_file, map(str, pictures)), api_name="/reenact_image")
            return {"page_open_s": round(open_s, 2), "page_answer_s": round(time.perf_counter() - started, 2)}
        finally:
            app.terminate()


def make_material(source: pathlib.Path, clip: pathlib.Path, settings: Speed) -> None:
    """The astronaut, scaled to the crop size of the settings, and a clip of her swaying."""
    import cv2
    import numpy as np
    from skimage import data

    from reenact.hub import load_tracker
    from reenact.media import VideoWriter, write_image
    from reenact.perception.crop import face_square
    from reenact.types import CropSpec

    portrait = data.astronaut()
    side = face_square(load_tracker().track(portrait), CropSpec())[2]
    scale = settings.crop_px / side
    write_image(source, cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    with VideoWriter(clip, width=512, height=512, fps=Fraction(25)) as writer:
        for i in range(settings.frames):
            sway = 2 * np.pi * i / 50
            matrix = cv2.getRotationMatrix2D((225.0, 120.0), 8 * np.sin(sway), 1 + 0.04 * np.cos(sway))
            matrix[0, 2] += 12 * np.sin(sway)
            writer.write(cv2.warpAffine(portrait, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE))


def loop_clip(clip: pathlib.Path, longer: pathlib.Path, frames: int) -> None:
    """Repeat the clip up to a number of frames."""
    from reenact.media import VideoReader, VideoWriter

    with VideoReader(clip) as reader, VideoWriter(longer, width=512, height=512, fps=Fraction(25)) as writer:
        while writer.frame_count < frames:
            for frame in reader:
                if writer.frame_count < frames:
                    writer.write(frame)


def time_stages(source: pathlib.Path, clip: pathlib.Path, settings: Speed) -> dict[str, dict[str, float]]:
    """Milliseconds per frame of each stage, as wall time and processor time; the source is timed once.

    Processor time is the sum over all threads, and more reliable on a busy machine.
    """
    import torch

    from reenact.media import VideoReader, VideoWriter, read_image
    from reenact.perception.video import VideoTracker
    from reenact.pipeline.animate import Animator
    from reenact.pipeline.engine import load_engine
    from reenact.pipeline.video import in_batches
    from reenact.portrait.painters import DrivingFaces
    from reenact.types import FaceGeometry

    torch.set_num_threads(settings.threads)
    stages: dict[str, dict[str, float]] = {}

    def timed(name: str, count: int, work: Callable[[], object]) -> object:
        start, start_cpu = time.perf_counter(), time.process_time()
        result = work()
        wall_ms, cpu_ms = (time.perf_counter() - start) * 1000, (time.process_time() - start_cpu) * 1000
        stages[name] = {"wall": round(wall_ms / count, 2), "cpu": round(cpu_ms / count, 2)}
        return result

    engine = load_engine(checkpoint=settings.checkpoint, device="cpu")
    frames = timed("decode", settings.frames, lambda: list(VideoReader(clip)))
    tracker = VideoTracker(engine.tracker, 25.0)
    tracker.update(frames[0])  # warm-up: the first call of a network is slower
    faces = timed("track", len(frames), lambda: [tracker.update(frame) for frame in frames])
    picture = read_image(source).rgb
    prepared = timed("source (once)", 1, lambda: engine.open_source(picture))
    animator = Animator(prepared, faces[0], system=engine.system, mode="absolute", paste_back=True)
    batches = [FaceGeometry.cat(batch) for batch in in_batches(faces, animator.batch)]
    pairs = list(in_batches(zip(frames, faces, strict=True), animator.batch))

    def show() -> list[DrivingFaces]:
        return [DrivingFaces.cat([animator.show(*each) for each in batch]) for batch in pairs]

    shown = timed("driver's mouths", len(frames), show)
    list(animator.draw(batches[0], shown[0]))
    motions = timed("motion, retarget", len(frames), lambda: [animator.drive(batch) for batch in batches])
    drawn = timed("render, paint", len(frames), lambda: list(map(animator.draw_driven, motions, shown)))
    results = timed("paste", len(frames), lambda: [frame for crops in drawn for frame in animator.finish(crops)])
    height, width = picture.shape[:2]

    def encode() -> None:
        out = clip.with_name("stages.mp4")
        with VideoWriter(out, width=width, height=height, fps=Fraction(25), overwrite=True) as writer:
            for frame in results:
                writer.write(frame)

    timed("encode", len(frames), encode)
    return stages


def measure_run(source: pathlib.Path, clip: pathlib.Path, settings: Speed) -> dict[str, float]:
    """``reenact_video`` in a separate process: cold start, frame rate, peak memory."""
    code = """
import json, resource, sys, time
began = time.perf_counter()
source, clip, out, checkpoint = sys.argv[1:]
from reenact import load_engine, reenact_video
steps = []
result = reenact_video(source, clip, out, system=load_engine(checkpoint=checkpoint, device="cpu"), overwrite=True,
                       progress=lambda done, total, stage: steps.append((time.perf_counter(), done)))
ended = time.perf_counter()
print(json.dumps({
    "frames": result.frame_count,
    "cold_start_s": steps[0][0] - began,
    "whole_s": ended - began,
    "frames_per_second": (result.frame_count - steps[0][1]) / (ended - steps[0][0]),
    "frames_per_second_with_start": result.frame_count / (ended - began),
    "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""
    out = clip.with_name("out.mp4")
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(clip), str(out), settings.checkpoint],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {name: round(value, 2) for name, value in json.loads(done.stdout).items()}


def describe_machine() -> dict[str, object]:
    """Commit, hardware and versions, on which the figures depend."""
    from train.evaluate.report import processor_name

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return {
        "commit": commit.stdout.strip() or "unknown",
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("torch", "av", "numpy")},
    }


def jsonable(settings: Speed) -> dict[str, object]:
    """Settings without local paths."""
    return {name: value for name, value in dataclasses.asdict(settings).items() if name != "out"}


def print_table(stages: dict[str, dict[str, float]], result: dict[str, object]) -> None:
    """Print the figures."""
    print(f"{'ms a frame':<22}{'wall':>10}{'cpu':>10}")
    for name, value in stages.items():
        print(f"{name:<22}{value['wall']:>10.1f}{value['cpu']:>10.1f}")
    for name in ("short_run", "long_run", "page"):
        run = result.get(name)
        if isinstance(run, dict):
            print(f"{name.replace('_', ' ')}: " + ", ".join(f"{key.replace('_', ' ')} {run[key]:g}" for key in run))
    print("targets: " + ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in TARGETS.items()))


if __name__ == "__main__":
    main(tyro.cli(Speed))
