"""What the mouth and eye painters change: ``python -m benchmarks.painters --data DIR``.

Self-reenactment of validation people. Of each clip the frame with the most closed mouth and the most open eyes is the
source; the frames with the widest mouths, the most closed eyes and two others drive it. Every system draws each frame
without and with the painters. Contours are read by the embedded tracker, in results as in true frames.
"""

import dataclasses
import pathlib

import numpy as np
import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from benchmarks.speed import describe_machine, write_result
from reenact.errors import NoFaceFoundError
from reenact.geometry.landmarks import INNER_LIP_RING
from reenact.hub import load, load_tracker
from reenact.perception.tracking import Tracker
from reenact.portrait import parts
from reenact.portrait.painters import DrivingFaces
from reenact.types import FaceGeometry, FaceImage
from train.data.faces import FaceData, load_faces

SYSTEMS = ("correspondence", "facegan", "dual_generator")
OPEN_MOUTH = 0.06
"""Opening of the lips over the eye distance from which a mouth counts as open."""
TEETH = (0.75, 0.15, 0.25)
"""Brightness of teeth over that of the skin; share of such pixels that shows teeth, in results and in true frames."""
BLINK = (0.14, 0.22)
"""Eye opening below which the driver blinks, and above which the source does not."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PainterBenchmark:
    """Measure results without and with the painters."""

    data: pathlib.Path
    """Labelled data folder (docs/data.md)."""
    systems: tuple[str, ...] = SYSTEMS
    """Systems to measure."""
    out: pathlib.Path = pathlib.Path("runs/painters.json")
    """Output file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frames:
    """Source, driver and results of all frames."""

    source: Float[Tensor, "f 2"]
    """Eye openings, right and left; the same below."""
    driver: Float[Tensor, "f 2"]
    result: Float[Tensor, "f 2"]
    true_mouth: Float[Tensor, "f 2"]
    """Brightness inside the lips, 0 to 255, and share of it that looks like teeth; the same below."""
    mouth: Float[Tensor, "f 2"]
    gap: Float[Tensor, "f"]
    """Opening of the driver's lips over the eye distance."""


def main(settings: PainterBenchmark) -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    data, tracker = load_faces(settings.data, "val", pathlib.Path("runs/cache")), load_tracker()
    jobs = choose_frames(data, tracker)
    result: dict[str, object] = {"machine": describe_machine(), "frames": sum(len(rows) for _, rows in jobs)}
    for system in settings.systems:
        result[system] = {
            kind: figures(draw(system, jobs, data, tracker, painted=kind == "painted"))
            for kind in ("without", "painted")
        }
        for kind, values in result[system].items():
            print(system, kind, *(f"{name} {value:.3f}" for name, value in values.items()), sep="  ", flush=True)
    write_result(settings.out, result)


def choose_frames(data: FaceData, tracker: Tracker) -> list[tuple[int, list[int]]]:
    """Row of the source and rows of the driving frames, for every clip; frames without a face are left out."""
    rng, jobs = np.random.default_rng(0), []
    for first, stop in data.clip_ranges:
        mesh, rows = torch.from_numpy(np.array(data.mesh_px[first:stop])), np.arange(first, stop)
        gap, eyes = lip_gap(mesh).numpy(), eye_openings(mesh).mean(1).numpy()
        source = int(rows[(gap * 3 - np.minimum(eyes, np.median(eyes) + 0.02)).argmin()])
        ordered = [*rows[np.argsort(-gap)][:12:3], *rows[np.argsort(eyes)][:9:3], *rng.choice(rows, 2, replace=False)]
        driving = [row for row in dict.fromkeys(map(int, ordered)) if row != source and track(data, row, tracker)]
        if driving and track(data, source, tracker):
            jobs.append((source, driving))
    return jobs


def draw(system: str, jobs: list[tuple[int, list[int]]], data: FaceData, tracker: Tracker, *, painted: bool) -> Frames:
    """Draw all frames with one system and read them."""
    reenactor, found = load(system), []
    for source, rows in jobs:
        own, driving = require(data, source, tracker), FaceGeometry.cat([require(data, row, tracker) for row in rows])
        true = to_rgb(data, rows)
        with torch.inference_mode():
            image = FaceImage(rgb=to_rgb(data, [source]), crop_from_frame=torch.eye(3)[None])
            identity = reenactor.encode_identity(image, own)
            motion, neutral = reenactor.read_motion(None, driving), reenactor.read_motion(None, own)
            driven = reenactor.retarget(identity, motion, neutral, "absolute")
            driver = DrivingFaces(rgb=true, mesh_px=driving.mesh_px)
            drawn = reenactor.draw(identity, driven, driver) if painted else reenactor.render(identity, driven)
        read = [read_mesh(frame, tracker) for frame in drawn.rgb]
        kept = [i for i, mesh in enumerate(read) if mesh is not None]
        meshes = torch.stack([read[i] for i in kept])
        found.append(
            Frames(
                source=eye_openings(own.mesh_px).expand(len(kept), -1),
                driver=eye_openings(driving.mesh_px)[kept],
                result=eye_openings(meshes),
                true_mouth=look_inside(true[kept], driving.mesh_px[kept]),
                mouth=look_inside(drawn.rgb[kept].float(), meshes),
                gap=lip_gap(driving.mesh_px)[kept],
            )
        )
    names = [field.name for field in dataclasses.fields(Frames)]
    return Frames(**{name: torch.cat([getattr(each, name) for each in found]) for name in names})


def figures(frames: Frames) -> dict[str, float]:
    """Means over the frames; slopes and correlations are of changes of eye opening against the source's."""
    opened = frames.gap > OPEN_MOUTH
    true, mouth = frames.true_mouth[opened], frames.mouth[opened]
    toothed = true[:, 1] > TEETH[2]
    values = {
        "open_mouths": float(opened.sum()),
        "luma_in_lips": float(mouth[:, 0].mean()),
        "luma_in_lips_true": float(true[:, 0].mean()),
        "luma_difference": float((mouth[:, 0] - true[:, 0]).abs().mean()),
        "frames_with_teeth": float(toothed.sum()),
        "teeth_shown": float((mouth[toothed, 1] > TEETH[1]).float().mean()),
    }
    for side, name in enumerate(("right", "left")):
        wanted, got = (each[:, side] - frames.source[:, side] for each in (frames.driver, frames.result))
        wanted, got = wanted - wanted.mean(), got - got.mean()
        values[f"lid_slope_{name}"] = float((wanted * got).sum() / wanted.square().sum())
        values[f"lid_correlation_{name}"] = float((wanted * got).sum() / (wanted.norm() * got.norm()))
    shut = (frames.driver.mean(1) < BLINK[0]) & (frames.source.mean(1) > BLINK[1])
    return values | {
        "blinks": float(shut.sum()),
        "opening_in_blinks": float(frames.result[shut].mean()),
        "opening_in_blinks_driver": float(frames.driver[shut].mean()),
    }


def look_inside(rgb: Float[Tensor, "f 3 h w"], mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f 2"]:
    """Brightness between the lips, 0 to 255, and the share of it that is as bright as teeth."""
    onto = parts.crop_part(mesh_px, "mouth")
    lips = parts.place(onto, mesh_px)[:, list(INNER_LIP_RING)]
    inside = parts.coverage(parts.signed_distance(lips, parts.SIZE) - 0.5)[:, 0]
    luma = (parts.sample(rgb, onto, parts.SIZE) * rgb.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1) * 255
    weight = inside.sum((1, 2)).clamp(min=1e-3)
    bright = (luma > TEETH[0] * luma[:, :8].mean((1, 2), keepdim=True)).float()
    return torch.stack([(luma * inside).sum((1, 2)), (bright * inside).sum((1, 2))], 1) / weight[:, None]


def eye_openings(mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f 2"]:
    """Height over width of the right and the left eye."""
    pairs = ((159, 145, 33, 133), (386, 374, 263, 362))
    points = mesh_px.float()
    return torch.stack(
        [
            (points[:, a] - points[:, b]).norm(dim=-1) / (points[:, c] - points[:, d]).norm(dim=-1)
            for a, b, c, d in pairs
        ],
        1,
    )


def lip_gap(mesh_px: Float[Tensor, "f 478 3"]) -> Float[Tensor, "f"]:
    """Opening of the inner lips over the distance of the outer eye corners."""
    points = mesh_px.float()
    return (points[:, 13] - points[:, 14]).norm(dim=-1) / (points[:, 33] - points[:, 263]).norm(dim=-1)


def to_rgb(data: FaceData, rows: list[int]) -> Float[Tensor, "f 3 256 256"]:
    """Pictures of the set in [0, 1]."""
    return torch.from_numpy(np.stack([data.rgb[row] for row in rows])).permute(0, 3, 1, 2).float() / 255


_tracked: dict[int, FaceGeometry | None] = {}


def track(data: FaceData, row: int, tracker: Tracker) -> FaceGeometry | None:
    """The face in a picture of the set, tracked once; None if there is none."""
    if row not in _tracked:
        try:
            _tracked[row] = tracker.track(np.array(data.rgb[row]))
        except NoFaceFoundError:
            _tracked[row] = None
    return _tracked[row]


def require(data: FaceData, row: int, tracker: Tracker) -> FaceGeometry:
    """The same for a row that `choose_frames` has kept."""
    found = track(data, row, tracker)
    assert found is not None
    return found


def read_mesh(rgb: Float[Tensor, "3 h w"], tracker: Tracker) -> Tensor | None:
    """The mesh in a drawn picture; None if no face is found."""
    try:
        frame = (rgb.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        return tracker.track(np.ascontiguousarray(frame)).mesh_px[0]
    except NoFaceFoundError:
        return None


if __name__ == "__main__":
    main(tyro.cli(PainterBenchmark))
