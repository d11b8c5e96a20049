"""Quality of the shipped weights on people they never saw: ``python -m benchmarks.quality --data DIR``.

Everything is measured as a user meets it: the embedded tracker and the embedded system, labels only as the truth to
compare with. Intervals are 95 % bootstrap intervals over clips.
"""

import dataclasses
import json
import pathlib
import platform
import subprocess

import cv2
import numpy as np
import torch
import tyro
from skimage.metrics import structural_similarity

from reenact.geometry.flow import mesh_flow
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.hub.loading import load, load_identity, load_tracker
from reenact.ops.warp import resize, warp
from reenact.perception.identity import identity_crop
from reenact.perception.tracking import cut_crop
from reenact.perception.video import VideoTracker
from reenact.systems.correspondence.reenactor import CorrespondenceReenactor
from reenact.types import FaceGeometry, FaceImage
from train.data import FaceData, load_faces

SIDE = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Measure the embedded system on the validation people of a labelled data folder."""

    data: pathlib.Path
    """Folder of the labelled set (docs/data.md)."""
    cache: pathlib.Path = pathlib.Path("runs/cache")
    """Where decoded pictures are kept."""
    checkpoint: str = "correspondence"
    """System to measure: name, folder or Hub repository."""
    per_clip: int = 12
    """Frames of each clip, evenly spread."""
    out: pathlib.Path = pathlib.Path("runs/quality.json")
    """JSON with every figure; the table goes to the terminal."""
    sheet: pathlib.Path | None = None
    """PNG of source, target, mesh warp and result of every clip, and of cross-reenactment."""


class Bench:
    """Networks and measures, loaded once."""

    def __init__(self, checkpoint: str) -> None:
        system = load(checkpoint)
        if not isinstance(system, CorrespondenceReenactor):
            raise SystemExit("the mesh warp without network is the correspondence system's own baseline")
        self.system = system
        self.tracker = load_tracker()
        self.identity = load_identity()

    def track(self, frames: np.ndarray) -> list[FaceGeometry | None]:
        """Geometry of every frame of a clip, as `reenact video` tracks it."""
        following = VideoTracker(self.tracker, fps=12.5)
        return [following.update(np.ascontiguousarray(frame)) for frame in frames]

    def track_one(self, rgb: torch.Tensor) -> FaceGeometry | None:
        """Geometry of a (3, s, s) picture, unfiltered."""
        frame = (rgb.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
        return VideoTracker(self.tracker, fps=25, smoothing=False).update(frame)

    def embed(self, rgb: torch.Tensor, geometry: FaceGeometry) -> torch.Tensor:
        """(256,) unit embedding of a (3, s, s) picture."""
        frame = (rgb.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
        crop = cut_crop(frame, identity_crop(geometry.mesh_px[0].numpy()), 112)
        return self.identity(torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255)[0]


def face_image(frame: np.ndarray) -> FaceImage:
    """A 256 px picture of the set is its own crop."""
    rgb = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None].float() / 255
    return FaceImage(rgb=rgb, crop_from_frame=torch.eye(3)[None])


def compare(result: torch.Tensor, target: torch.Tensor, truth: FaceGeometry, bench: Bench) -> dict[str, float]:
    """PSNR, L1, SSIM and AKD of one picture."""
    difference = result - target
    figures = {
        "psnr_db": float(-10 * difference.square().mean().clamp(min=1e-10).log10()),
        "l1": float(difference.abs().mean()),
        "ssim": float(structural_similarity(result.numpy(), target.numpy(), channel_axis=0, data_range=1.0)),
    }
    found = bench.track_one(result)
    if found is not None:
        gap = (found.mesh_px - truth.mesh_px)[0, list(LANDMARKS_68), :2]
        figures["akd_px"] = float(gap.norm(dim=-1).mean())
    return figures


def self_reenactment(
    bench: Bench, data: FaceData, per_clip: int, tiles: list[np.ndarray]
) -> dict[str, list[dict[str, float]]]:
    """First frame drives the rest of its own clip; per clip the mean of each measure, for each method."""
    table: dict[str, list[dict[str, float]]] = {"copy": [], "mesh_warp": [], "system": []}
    for first, last in data.clip_ranges:
        geometry = bench.track(data.rgb[first:last])
        chosen = [i for i in np.linspace(0, last - first - 1, per_clip + 1).round().astype(int)[1:] if geometry[i]]
        if geometry[0] is None or not chosen:
            continue
        image = face_image(data.rgb[first])
        identity = bench.system.encode_identity(image, geometry[0])
        neutral = bench.system.read_motion(None, geometry[0])
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in table}
        for i in chosen:
            driving = geometry[i]
            assert driving is not None
            target = face_image(data.rgb[first + i]).rgb
            driven = bench.system.retarget(identity, bench.system.read_motion(None, driving), neutral, "absolute")
            result = bench.system.render(identity, driven).rgb
            flow = mesh_flow(bench.system.morphable, identity.mesh, driven.mesh, SIDE // 2)
            warped = warp(image.rgb, resize(flow.displacement, SIDE))
            truth = bench.track_one(target[0])
            if truth is None:
                continue
            own, source_embedding = truth, bench.embed(image.rgb[0], geometry[0])
            for name, picture in (("copy", image.rgb), ("mesh_warp", warped), ("system", result)):
                figures = compare(picture[0], target[0], truth, bench)
                found = bench.track_one(picture[0])
                if found is not None:
                    figures["identity"] = float(bench.embed(picture[0], found) @ source_embedding)
                    figures["identity_real"] = float(bench.embed(target[0], own) @ source_embedding)
                rows[name].append(figures)
            if i == chosen[len(chosen) // 2]:
                tiles.append(_tile([image.rgb, target, warped, result]))
        for name, figures in rows.items():
            keys = figures[0].keys()
            table[name].append({key: float(np.mean([f[key] for f in figures if key in f])) for key in keys})
    return table


def cross_reenactment(bench: Bench, data: FaceData, tiles: list[np.ndarray]) -> dict[str, float]:
    """Every clip's first frame, driven by the next person's clip (absolute and relative motion)."""
    kept: dict[str, list[float]] = {"absolute": [], "relative": []}
    pose_error: list[float] = []
    ranges = data.clip_ranges
    for k, (first, _) in enumerate(ranges):
        other = next(r for r in ranges[k + 1 :] + ranges[:k] if data.person[r[0]] != data.person[first])
        source = bench.track(data.rgb[first : first + 1])[0]
        drive = bench.track(data.rgb[other[0] : other[1] : max((other[1] - other[0]) // 24, 1)])
        found = [g for g in drive if g is not None]
        if source is None or len(found) < 4:
            continue
        motion = bench.system.read_motion(None, FaceGeometry.cat(found))
        neutral = bench.system.select(motion, slice(0, 1))
        image = face_image(data.rgb[first])
        identity = bench.system.encode_identity(image, source)
        embedding = bench.embed(image.rgb[0], source)
        row = [image.rgb]
        for mode in ("absolute", "relative"):
            picked = [len(found) // 3, 2 * len(found) // 3, len(found) - 1]
            for i in picked:
                driven = bench.system.retarget(identity, bench.system.select(motion, slice(i, i + 1)), neutral, mode)
                result = bench.system.render(identity, driven).rgb
                geometry = bench.track_one(result[0])
                if geometry is not None:
                    kept[mode].append(float(bench.embed(result[0], geometry) @ embedding))
                    if mode == "absolute":
                        cosine = (torch.einsum("nij,nij->", geometry.rotation, found[i].rotation) - 1) / 2
                        pose_error.append(float(torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))))
                if i == picked[1]:
                    row += [
                        face_image(
                            data.rgb[other[0] : other[1] : max((other[1] - other[0]) // 24, 1)][
                                [j for j, g in enumerate(drive) if g is not None][i]
                            ]
                        ).rgb,
                        result,
                    ]
        tiles.append(_tile(row[:1] + row[1:3] + row[4:5]))
    return {
        "identity_absolute": float(np.mean(kept["absolute"])),
        "identity_relative": float(np.mean(kept["relative"])),
        "pose_error_deg": float(np.mean(pose_error)),
    }


def stillness_and_sharpness(bench: Bench, data: FaceData, stills: int = 24) -> dict[str, float]:
    """All-zero relative motion reproduces the source; small motion at 1,024 px keeps its detail."""
    psnr: list[float] = []
    sharpness: list[float] = []
    rows = np.flatnonzero(data.is_still)[:: max(int(data.is_still.sum()) // stills, 1)]
    for row in rows:
        frame = np.array(data.rgb[row])
        geometry = bench.track(frame[None])[0]
        if geometry is None:
            continue
        # a 1,024 px face: the 256 px crop enlarged, with grain, so that there is detail to lose at that size
        large = cv2.resize(frame, (2048, 2048), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        grain = cv2.GaussianBlur(np.random.default_rng(int(row)).normal(0, 24, (2048, 2048, 1)), (0, 0), 0.8)
        large = np.clip(large + grain[..., None], 0, 255).astype(np.uint8)
        image = face_image(large)
        scaled = geometry.moved_by(torch.diag(torch.tensor([8.0, 8.0, 1.0])))
        identity = bench.system.encode_identity(image, scaled)
        motion = bench.system.read_motion(None, scaled)
        still = bench.system.render(identity, bench.system.retarget(identity, motion, motion, "relative")).rgb
        psnr.append(float(-10 * (still - image.rgb).square().mean().clamp(min=1e-10).log10()))
        moved = FaceGeometry(**{f.name: getattr(scaled, f.name) for f in dataclasses.fields(FaceGeometry)})
        turn = moved.moved_by(_turn(3.0, 1024))
        small = bench.system.retarget(identity, bench.system.read_motion(None, turn), motion, "relative")
        result = bench.system.render(identity, small).rgb
        for i in (50, 280, 10):  # cheeks (mesh points) and the hair line above the forehead
            x, y = (int(v) for v in scaled.mesh_px[0, i, :2])
            y = y - 120 if i == 10 else y
            window = np.s_[max(y - 80, 0) : y + 80, max(x - 80, 0) : x + 80]
            before, after = _laplacian_variance(large[window]), _laplacian_variance(_to_u8(result)[window])
            sharpness.append(after / max(before, 1e-6))
    return {
        "still_psnr_db": float(np.mean(psnr)),
        "still_psnr_worst_db": float(np.min(psnr)),
        "sharpness_share": float(np.mean(sharpness)),
        "sharpness_share_10th_percentile": float(np.percentile(sharpness, 10)),
    }


def jitter(bench: Bench, data: FaceData, stills: int = 8, frames: int = 20) -> dict[str, float]:
    """Movement of the tracked mesh on a still clip: one portrait under sensor noise of 2.5 grey levels."""
    spread: dict[str, list[float]] = {"filtered": [], "raw": []}
    rng = np.random.default_rng(0)
    for row in np.flatnonzero(data.is_still)[:: max(int(data.is_still.sum()) // stills, 1)]:
        clip = data.rgb[row][None] + rng.normal(0, 2.5, (frames, SIDE, SIDE, 3))
        noisy = np.clip(clip, 0, 255).round().astype(np.uint8)
        for name, smoothing in (("filtered", True), ("raw", False)):
            following = VideoTracker(bench.tracker, fps=25, smoothing=smoothing)
            found = [geometry for frame in noisy if (geometry := following.update(frame)) is not None]
            mesh = FaceGeometry.cat(found).mesh_px[frames // 4 :, :, :2]
            spread[name].append(float((mesh - mesh.mean(0)).square().sum(-1).mean().sqrt()))
    return {f"jitter_{name}_px": float(np.mean(values)) for name, values in spread.items()}


def _turn(degrees: float, centre: float) -> torch.Tensor:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return torch.tensor(
        [[c, -s, centre - c * centre + s * centre], [s, c, centre - s * centre - c * centre], [0, 0, 1]]
    ).float()


def _laplacian_variance(rgb: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), cv2.CV_32F).var())


def _to_u8(rgb: torch.Tensor) -> np.ndarray:
    return (rgb[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()


def _tile(pictures: list[torch.Tensor]) -> np.ndarray:
    return np.concatenate([_to_u8(resize(picture, SIDE)) for picture in pictures], axis=1)


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.array(values), (2000, len(values))).mean(1)
    return float(np.mean(values)), float(np.percentile(drawn, 2.5)), float(np.percentile(drawn, 97.5))


@torch.inference_mode()
def main() -> None:
    """Run all and print the table."""
    arguments = tyro.cli(Arguments)
    data = load_faces(arguments.data, "val", arguments.cache)
    bench, tiles, cross_tiles = Bench(arguments.checkpoint), [], []
    table = self_reenactment(bench, data, arguments.per_clip, tiles)
    report: dict[str, object] = {"clips": len(table["system"]), "protocol": "first frame -> rest, 256 px, own tracker"}
    print(f"self-reenactment, {len(table['system'])} clips\n{'':>14} {'copy':>24} {'mesh warp':>24} {'system':>24}")
    for key in ("psnr_db", "l1", "ssim", "akd_px", "identity", "identity_real"):
        cells = {name: interval([row[key] for row in rows]) for name, rows in table.items()}
        report[key] = cells
        print(f"{key:>14} " + " ".join(f"{m:>9.4f} [{a:.3f}, {b:.3f}]".rjust(24) for m, a, b in cells.values()))
    for name in ("copy", "mesh_warp"):
        gain = interval([s["psnr_db"] - b["psnr_db"] for s, b in zip(table["system"], table[name], strict=True)])
        report[f"psnr_gain_over_{name}_db"] = gain
        print(f"PSNR gain over {name}: {gain[0]:.2f} dB [{gain[1]:.2f}, {gain[2]:.2f}]")
    for part in (
        cross_reenactment(bench, data, cross_tiles),
        stillness_and_sharpness(bench, data),
        jitter(bench, data),
    ):
        report |= part
        print("\n".join(f"{key}: {value:.4f}" for key, value in part.items()))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    report |= {"commit": commit.stdout.strip(), "torch": torch.__version__, "machine": platform.machine()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    if arguments.sheet is not None:
        half = np.concatenate(tiles, 0), np.concatenate(cross_tiles, 0)
        height = max(part.shape[0] for part in half)
        padded = [np.pad(part, ((0, height - part.shape[0]), (0, 0), (0, 0))) for part in half]
        cv2.imwrite(str(arguments.sheet), cv2.cvtColor(np.concatenate(padded, 1), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
