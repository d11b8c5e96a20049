"""Whether one eye closes alone: winks set by sliders and winks of a driver, in every system.

``python -m benchmarks.winks --sources examples/portraits/astronaut.jpg MORE.jpg`` prints a table and writes JSON.
Openings are height over width of an eye; the embedded tracker reads them in sources, driver and results, and those of
the target come from its mesh. A wink counts as kept if the closed eye's opening is below 0.6 of the other's, and the
other eye is open (`train.evaluate.metrics.parts.one_sided`).
"""

import dataclasses
import pathlib
from typing import Any

import torch
import tyro
from jaxtyping import Bool, Float
from torch import Tensor

from benchmarks.speed import describe_machine, write_result
from reenact.facs import ACTION_UNITS
from reenact.geometry.landmarks import eye_openings
from reenact.media import VideoReader, read_image
from reenact.perception.video import VideoTracker
from reenact.pipeline.animate import Animator
from reenact.pipeline.engine import Engine, load_engine
from reenact.pipeline.results import to_frames
from reenact.pipeline.source import Source
from reenact.systems.base import PoseControls
from train.evaluate.metrics.parts import one_sided


@dataclasses.dataclass(frozen=True, kw_only=True)
class Winks:
    """Measure winks."""

    sources: tuple[pathlib.Path, ...] = (pathlib.Path("examples/portraits/astronaut.jpg"),)
    """Portraits with open eyes."""
    driving: pathlib.Path | None = pathlib.Path("examples/driving/actor-wink.mp4")
    """A clip with winks; none leaves driven winks out."""
    systems: tuple[str, ...] = ("correspondence", "facegan", "dual_generator")
    """Those that draw; those that can pose also draw the slider AU45 at 5, left and then right."""
    every: int = 1
    """Of the driver's winking frames, each how-manieth is drawn."""
    out: pathlib.Path = pathlib.Path("runs/winks.json")
    """Output file."""


Row = dict[str, Any]


@torch.inference_mode()
def main(settings: Winks) -> None:
    """Measure, print, write."""
    rows: list[dict[str, Any]] = []
    for name in settings.systems:
        engine = load_engine(name, device="cpu")
        for path in settings.sources:
            source = engine.open_source(read_image(path).rgb)
            named = {"system": name, "portrait": path.stem}
            if engine.system.can_pose:
                rows.append(named | {"kind": "edited"} | edit(engine, source))
            if settings.driving is not None:
                rows.append(named | {"kind": "driven"} | drive(engine, source, settings.driving, settings.every))
    print("\n".join(table(rows)))
    write_result(settings.out, {"machine": describe_machine(), "rows": rows})


def edit(engine: Engine, source: Source) -> dict[str, Any]:
    """The left and then the right eye closed by its slider."""
    system, identity = engine.system, source.identity
    own = system.read_controls(identity)
    units = own.action_units.repeat(2, 1, 1)
    units[[0, 1], ACTION_UNITS.index(45), [0, 1]] = 1
    target = system.pose(identity, PoseControls(action_units=units, angles_rad=own.angles_rad.expand(2, -1)))
    closed = torch.tensor([[False, True], [True, False]])
    return measure(engine, source, closed, system.target_mesh(identity, target), system.draw(identity, target).rgb)


def drive(engine: Engine, source: Source, clip: pathlib.Path, every: int) -> dict[str, Any]:
    """Frames of a clip in which its driver winks."""
    with VideoReader(clip) as reader:
        tracker = VideoTracker(engine.tracker, float(reader.info.fps))
        seen = [(frame, face) for frame in reader if (face := tracker.update(frame)) is not None]
    openings = eye_openings(torch.cat([face.mesh_px for _, face in seen]))
    closed = one_sided(openings)
    at = closed.any(1).nonzero()[::every, 0].tolist()
    animator = Animator(source, seen[0][1], system=engine.system, mode="absolute", paste_back=False)
    meshes, drawn = [], []
    for frame, face in (seen[i] for i in at):
        target = animator.drive(face)
        meshes.append(engine.system.target_mesh(source.identity, target))
        drawn.append(animator.draw_driven(target, animator.show(frame, face)).rgb)
    return measure(engine, source, closed[at], torch.cat(meshes), torch.cat(drawn), openings[at])


def measure(
    engine: Engine,
    source: Source,
    closed: Bool[Tensor, "n 2"],
    mesh: Float[Tensor, "n 478 3"],
    rgb: Float[Tensor, "n 3 s s"],
    driver: Float[Tensor, "n 2"] | None = None,
) -> dict[str, Any]:
    """Figures of the winks of one source; pairs are means of the eyes to be closed and of the others."""
    found = eye_openings(torch.cat([engine.tracker.track(frame).mesh_px for frame in to_frames(rgb)]))
    own = eye_openings(source.geometry.mesh_px).expand(len(closed), -1)
    stages = {"source": own, "driver": driver, "target": eye_openings(mesh), "picture": found}
    return {"winks": len(closed), "kept": float((one_sided(found) == closed).all(1).float().mean())} | {
        name: None if value is None else [float(value[closed].mean()), float(value[~closed].mean())]
        for name, value in stages.items()
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Markdown; openings are those of the eye that closes / of the other one."""
    lines = ["| system | portrait | winks | kept | source | driver | target | picture |", "|" + "---|" * 8]
    for row in rows:
        pairs = [row[stage] for stage in ("source", "driver", "target", "picture")]
        cells = ["" if pair is None else f"{pair[0]:.2f} / {pair[1]:.2f}" for pair in pairs]
        what = f"{row['winks']} {row['kind']}"
        lines.append("| " + " | ".join([row["system"], row["portrait"], what, f"{row['kept']:.0%}", *cells]) + " |")
    return lines


if __name__ == "__main__":
    main(tyro.cli(Winks))
