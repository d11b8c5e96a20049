"""Measures on `ProfiledFaces`: only pixels that the photograph shows, and errors against the known geometry."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reenact.geometry.landmarks import landmarks68_of
from reenact.media.frame import Frame
from train.data.faces import FaceData
from train.evaluate import metrics
from train.evaluate.bench import Bench, Seen, identity_similarities, to_rgb
from train.evaluate.jobs import REAL, Job, Outcome
from train.evaluate.looks import Look
from train.evaluate.metrics.pictures import PSNR_CAP_DB
from train.evaluate.profiled_faces import ProfiledFaces
from train.evaluate.settings import Settings


def bench_for(settings: Settings, data: FaceData | None = None) -> Bench:
    """The bench for a data set."""
    return (ProfiledBench if isinstance(data, ProfiledFaces) else Bench)(settings, data)


class ProfiledBench(Bench):
    """A bench for `ProfiledFaces`."""

    data: ProfiledFaces

    def _compare_pixels(self, job: Job, frames: list[Frame]) -> list[dict[str, float]]:
        rows: list[dict[str, float]] = []
        for frame, row in zip(frames, job.driving, strict=True):
            result, target = to_rgb([frame], self.device), to_rgb([self.frame(row)], self.device)
            shown = torch.from_numpy(self.data.shown[row]).to(self.device)
            rows.append(compare_shown(result, target, shown))
        return rows

    def _compare_faces(self, job: Job, row: int, seen: Seen | None) -> dict[str, float]:
        values = super()._compare_faces(job, row, seen)
        if seen is None:
            return values
        values["pose_known_deg"] = self._pose_known_deg(row, seen)
        if job.truth:
            values["akd_known_px"] = self._akd_px(row, seen, self._known_px(row))
            target, visible = self.see_real(row), self._visible(row)
            if target is not None:
                values["akd_px"] = self._akd_px(row, seen, target.landmarks_px)
                points = seen.landmarks_px[visible], target.landmarks_px[visible]
                values["ace_px"] = float(metrics.ace_px(points[0][None], points[1][None]))
        return values

    def _measure_real(self, job: Job) -> list[Outcome]:
        """A real frame of the source's person at the driver's yaw, as a reference for identity and tracking errors."""
        match = job.yaw_match
        if match is None:
            return []
        seen = self.see_real(match)
        values = {"found": float(seen is not None)}
        if seen is not None:
            values["pose_known_deg"] = self._pose_known_deg(match, seen)
            values["akd_known_px"] = self._akd_px(match, seen, self._known_px(match))
        values |= identity_similarities(seen, self.see_real(job.source))
        return [self._outcome(job, REAL, row, dict(values), {}) for row in job.driving]

    def _compare_looks(self, job: Job, row: int, look: Look, seen: Seen | None) -> dict[str, float]:
        return {}

    def _features(self, frame: Frame, seen: Seen | None, look: Look) -> dict[str, np.ndarray]:
        return {}

    def _pose_known_deg(self, row: int, seen: Seen) -> float:
        known = torch.from_numpy(self.data.rotation[row])
        return float(metrics.pose_error_deg(seen.rotation[None], known[None]))

    def _akd_px(self, row: int, seen: Seen, target_px: Float[Tensor, "68 2"]) -> float:
        visible = self._visible(row)
        return float(metrics.akd_px(seen.landmarks_px[visible][None], target_px[visible][None]))

    def _known_px(self, row: int) -> Float[Tensor, "68 2"]:
        return landmarks68_of(torch.from_numpy(self.data.mesh_px[row])[None])[0, :, :2]

    def _visible(self, row: int) -> Bool[Tensor, "68"]:
        return torch.from_numpy(self.data.seen[row])


def compare_shown(
    result: Float[Tensor, "1 3 s s"], target: Float[Tensor, "1 3 s s"], shown: Bool[Tensor, "s s"]
) -> dict[str, float]:
    """SSIM, PSNR, L1 and MSE over the shown pixels; windows of SSIM may contain others."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    _, ssim = structural_similarity_index_measure(
        result, target, sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
    )
    gap = (result - target)[..., shown]
    mse = float(gap.square().mean())
    psnr_db = -10 * np.log10(max(mse, 1e-12))
    return {
        "ssim": float(ssim[..., shown].mean()),
        "psnr_db": min(float(psnr_db), PSNR_CAP_DB),
        "l1": float(gap.abs().mean()),
        "mse": mse,
    }
