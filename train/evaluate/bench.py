"""One process's share of the work: track inputs, draw results, measure them."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.errors import NoFaceFoundError
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import load_morphable
from reenact.hub.loading import select_device
from reenact.media.frame import Frame
from reenact.perception.video import VideoTracker
from reenact.portrait.painters import DrivingFaces
from reenact.types import FaceGeometry, FaceImage
from train.data.faces import FaceData, load_faces
from train.evaluate import metrics
from train.evaluate.encoders import aligned_crops
from train.evaluate.inputs import track_inputs
from train.evaluate.jobs import REAL, Driver, Job, Outcome, TrackTask
from train.evaluate.methods import BATCH, CopySource, Method, load_methods
from train.evaluate.networks import Networks, load_networks
from train.evaluate.settings import Settings

_KEPT = 32
"""Encoded sources kept at a time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """What the measuring networks see in one picture with a face."""

    landmarks_px: Float[Tensor, "68 2"]
    rotation: Float[Tensor, "3 3"]
    action_units: Float[Tensor, "17"]
    embeddings: dict[str, Tensor]
    """Unit vectors by `Metric.key` of the similarity."""


class Bench:
    """Data, networks and methods of one process. Pictures of the set are their own crops."""

    def __init__(self, settings: Settings, data: FaceData | None = None, methods: list[Method] | None = None) -> None:
        """Load everything that is not given.

        Raises:
            ReenactError: what the loaders raise.
        """
        self.settings = settings
        self.device = select_device(settings.device)
        self.data = load_faces(settings.data, settings.split, settings.cache) if data is None else data
        self.networks: Networks = load_networks(settings, self.device)
        if methods is None:
            methods = load_methods(settings.system, baselines=settings.baselines, device=self.device)
        self.methods = methods
        self.morphable = load_morphable()
        self.see_real = functools.cache(self._see_real)
        self.real_features = functools.cache(self._real_features)
        self._identities: dict[tuple[int, str], Any] = {}

    @torch.inference_mode()
    def track(self, task: TrackTask) -> Driver:
        """Geometry of inputs, as a user's run would have it."""
        return track_inputs(task, self.data, self.networks.tracker, self.morphable, self.settings)

    @torch.inference_mode()
    def work(self, job: Job) -> list[Outcome]:
        """Draw a job with every method and measure the results."""
        if job.kind == "run":
            driving = self._follow([self.frame(row) for row in job.driving])
            return [self._measure_run(job, method, driving) for method in self.methods]
        outcomes = [outcome for method in self.methods for outcome in self._measure_pairs(job, method)]
        return outcomes + (self._measure_real(job) if job.kind == "pair" else [])

    @torch.inference_mode()
    def draw(self, job: Job, method: Method) -> list[Frame]:
        """Results as 8-bit pictures: what a user would save."""
        identity = self._encoded(job, method)
        frames: list[Frame] = []
        for start in range(0, len(job.driving), BATCH):
            driving = self._placed(job.driving_geometry[start : start + BATCH])
            pictures = to_rgb([self.frame(row) for row in job.driving[start : start + BATCH]], self.device)
            shown = DrivingFaces(rgb=pictures, mesh_px=driving.mesh_px)
            rgb = method.draw(identity, driving, self._placed(job.neutral), job.mode, shown)
            rounded = (rgb.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
            frames += list(np.ascontiguousarray(rounded.cpu().numpy()))
        return frames

    def forget(self) -> None:
        """Drop the encoded sources."""
        self._identities.clear()

    def see(self, frame: Frame) -> Seen | None:
        """Find and judge the face of a picture, knowing nothing of it; None if none is found."""
        try:
            geometry = self.networks.tracker.track(frame)
        except NoFaceFoundError:
            return None
        crops = aligned_crops([frame], [geometry.mesh_px[0].cpu().numpy()])
        return Seen(
            landmarks_px=geometry.mesh_px[0, list(LANDMARKS_68), :2].cpu(),
            rotation=geometry.rotation[0].cpu(),
            action_units=geometry.action_units[0].cpu(),
            embeddings={key: encoder.embed(crops)[0] for key, encoder in self.networks.encoders.items()},
        )

    def frame(self, row: int) -> Frame:
        """A picture of the set."""
        return np.array(self.data.rgb[row])

    def _see_real(self, row: int) -> Seen | None:
        return self.see(self.frame(row))

    def _encoded(self, job: Job, method: Method) -> Any:
        """The source, encoded once for all its jobs that come one after the other."""
        key = (job.source, method.label)
        if key not in self._identities:
            if len(self._identities) >= _KEPT:
                self._identities.clear()
            image = FaceImage(
                rgb=to_rgb([self.frame(job.source)], self.device),
                crop_from_frame=torch.eye(3, device=self.device)[None],
            )
            self._identities[key] = method.encode(image, self._placed(job.source_geometry))
        return self._identities[key]

    def _placed(self, geometry: FaceGeometry) -> FaceGeometry:
        fields = dataclasses.fields(geometry)
        return FaceGeometry(**{field.name: getattr(geometry, field.name).to(self.device) for field in fields})

    def _measure_pairs(self, job: Job, method: Method) -> Iterator[Outcome]:
        copied = isinstance(method, CopySource)
        frames = [self.frame(job.source)] * len(job.driving) if copied else self.draw(job, method)
        pixels = self._compare_pixels(job, frames) if job.truth else [{} for _ in frames]
        for row, frame, values in zip(job.driving, frames, pixels, strict=True):
            seen = self.see_real(job.source) if copied else self.see(frame)
            features = {}
            if job.kind == "pair":
                features = self.real_features(job.source) if copied else self._features(frame, seen)
                values |= self._compare_faces(job, row, seen)
            elif seen is not None and job.twin is not None and (twin := self.see_real(job.twin)) is not None:
                values["lsim"] = float(metrics.lsim(seen.landmarks_px[None], twin.landmarks_px[None]))
            yield self._outcome(job, method.label, row, values, features)

    def _compare_pixels(self, job: Job, frames: list[Frame]) -> list[dict[str, float]]:
        """Each result with the real frame."""
        rows: list[dict[str, float]] = []
        for start in range(0, len(frames), BATCH):
            result, target = (
                to_rgb(pictures[start : start + BATCH], self.device)
                for pictures in (frames, [self.frame(row) for row in job.driving])
            )
            columns = {name: getattr(metrics, name)(result, target) for name in ("ssim", "psnr_db", "l1", "mse")}
            if self.networks.lpips is not None:
                columns["lpips"] = self.networks.lpips(result, target)
            rows += [{name: float(column[i]) for name, column in columns.items()} for i in range(len(result))]
        return rows

    def _compare_faces(self, job: Job, row: int, seen: Seen | None) -> dict[str, float]:
        """A result's face with those of source and driver."""
        source, target = self.see_real(job.source), self.see_real(row)
        values = {"found": float(seen is not None)}
        if seen is None:
            return values
        if source is not None:
            for key, embedding in seen.embeddings.items():
                values[key] = float(metrics.csim(embedding[None], source.embeddings[key][None]))
        if target is not None and job.truth:
            values["akd_px"] = float(metrics.akd_px(seen.landmarks_px[None], target.landmarks_px[None]))
            values["ace_px"] = float(metrics.ace_px(seen.landmarks_px[None], target.landmarks_px[None]))
        if target is not None and job.mode == "absolute":
            values["psim"] = float(metrics.psim(seen.rotation[None], target.rotation[None]))
            values["pose_error_deg"] = float(metrics.pose_error_deg(seen.rotation[None], target.rotation[None]))
            values["ed"] = float(metrics.ed(seen.action_units[None], target.action_units[None]))
            values["au_error"] = float(metrics.au_error(seen.action_units[None], target.action_units[None]))
        return values

    def _measure_real(self, job: Job) -> list[Outcome]:
        """The driving frames themselves, or in cross-reenactment the source: what the sets are compared with."""
        outcomes = []
        for row in job.driving:
            real = row if job.truth else job.source
            seen, source = self.see_real(real), self.see_real(job.source)
            values = {}
            if job.truth and seen is not None and source is not None:
                for key, embedding in seen.embeddings.items():
                    values[key] = float(metrics.csim(embedding[None], source.embeddings[key][None]))
            outcomes.append(self._outcome(job, REAL, row, values, self.real_features(real)))
        return outcomes

    def _real_features(self, row: int) -> dict[str, np.ndarray]:
        return self._features(self.frame(row), self.see_real(row))

    def _features(self, frame: Frame, seen: Seen | None) -> dict[str, np.ndarray]:
        features = {}
        if seen is not None:
            features["frechet_identity"] = seen.embeddings["csim"].numpy()
        if self.networks.inception is not None:
            picture = torch.from_numpy(frame).permute(2, 0, 1)[None]
            features["fid"] = self.networks.inception(picture)[0].numpy()
        return features

    def _measure_run(self, job: Job, method: Method, driving: Float[Tensor, "t 68 2"] | None) -> Outcome:
        result = self._follow(self.draw(job, method))
        values = {}
        if driving is not None and result is not None:
            values["jitter_px"] = float(metrics.temporal_jitter_px(result, driving).mean())
        return self._outcome(job, method.label, job.driving[0], values, {})

    def _follow(self, frames: list[Frame]) -> Float[Tensor, "t 68 2"] | None:
        """Landmarks through a run of frames, unfiltered; None if the face is lost."""
        following = VideoTracker(self.networks.tracker, self.settings.fps, smoothing=False)
        found = [following.update(frame) for frame in frames]
        faces = [face for face in found if face is not None]
        if len(faces) < len(frames):
            return None
        return FaceGeometry.cat(faces).mesh_px[:, list(LANDMARKS_68), :2].cpu()

    def _outcome(
        self, job: Job, method: str, row: int, values: dict[str, float], features: dict[str, np.ndarray]
    ) -> Outcome:
        return Outcome(
            method=method,
            mode=job.mode,
            kind=job.kind,
            source=job.source,
            driving=row,
            values=values,
            direction=job.direction,
            features=features,
        )


def to_rgb(frames: list[Frame], device: torch.device) -> Float[Tensor, "n 3 h w"]:
    """Pictures as tensors in [0, 1]."""
    return torch.from_numpy(np.stack(frames)).to(device).permute(0, 3, 1, 2).float() / 255
