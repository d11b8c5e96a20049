"""Tracks inputs, draws results and measures them in one process."""

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
from reenact.pipeline.source import to_device
from reenact.portrait.painters import DrivingFaces
from reenact.types import FaceGeometry, FaceImage
from train.data.faces import FaceData, load_faces
from train.evaluate import metrics
from train.evaluate.encoders import aligned_crops
from train.evaluate.inputs import track_inputs
from train.evaluate.jobs import REAL, Driver, Job, Outcome, TrackTask
from train.evaluate.looks import Look, compare_detail, compare_outlines, compare_parts
from train.evaluate.methods import BATCH, CopySource, Driving, Method, load_methods
from train.evaluate.networks import Networks, load_networks
from train.evaluate.settings import Settings

_KEPT = 32
"""Most encoded sources in memory."""
_LOOKS_KEPT = 2 * BATCH
"""Most real pictures whose readings by parser and perceptual network are in memory."""
_LEAST_WARP_ERROR = 1e-4
"""Least error of true frames, so that a still clip does not divide by zero."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """Readings of the measuring networks in one picture with a face."""

    mesh_px: Float[Tensor, "478 3"]
    rotation: Float[Tensor, "3 3"]
    action_units: Float[Tensor, "17"]
    embeddings: dict[str, Tensor]
    """Unit vectors, by `Metric.key` of their similarity."""

    @property
    def landmarks_px(self) -> Float[Tensor, "68 2"]:
        """The 68 landmarks of the mesh."""
        return self.mesh_px[list(LANDMARKS_68), :2]


class Bench:
    """Data, networks and methods of one process. Pictures of the set are used as crops without cropping them again."""

    def __init__(self, settings: Settings, data: FaceData | None = None, methods: list[Method] | None = None) -> None:
        """Load everything that is not given.

        Raises:
            ReenactError: a loader failed.
        """
        self.settings = settings
        self.device = select_device(settings.device)
        self.data = load_faces(settings.data, settings.split, settings.cache) if data is None else data
        self.networks: Networks = load_networks(settings, self.device)
        if methods is None:
            methods = load_methods(
                settings.system, baselines=settings.baselines, device=self.device, painters=settings.painters
            )
        self.methods = methods
        self.morphable = load_morphable()
        self.see_real = functools.cache(self._see_real)
        self.flow_to = functools.lru_cache(_KEPT)(
            lambda row: metrics.backward_flow(self.frame(row - 1), self.frame(row))
        )
        self.look_real = functools.lru_cache(_LOOKS_KEPT)(lambda row: self.look(self.frame(row)))
        self.real_features = functools.cache(self._real_features)
        self._identities: dict[tuple[int, str], Any] = {}

    @torch.inference_mode()
    def track(self, task: TrackTask) -> Driver:
        """Geometry of inputs, tracked as `reenact video` does."""
        return track_inputs(task, self.data, self.networks.tracker, self.morphable, self.settings)

    @torch.inference_mode()
    def work(self, job: Job) -> list[Outcome]:
        """Draw and measure a job with every method."""
        if job.kind == "run":
            driving = self._follow([self.frame(row) for row in job.driving])
            return [self._measure_run(job, method, driving) for method in self.methods]
        outcomes = [outcome for method in self.methods for outcome in self._measure_pairs(job, method)]
        return outcomes + (self._measure_real(job) if job.kind == "pair" else [])

    @torch.inference_mode()
    def draw(self, job: Job, method: Method) -> list[Frame]:
        """Results as 8-bit pictures, as a user would save them."""
        identity, neutral = self._encoded(job, method), to_device(job.neutral, self.device)
        frames: list[Frame] = []
        for start in range(0, len(job.driving), BATCH):
            geometry = to_device(job.driving_geometry[start : start + BATCH], self.device)
            pictures = to_rgb([self.frame(row) for row in job.driving[start : start + BATCH]], self.device)
            faces = DrivingFaces(rgb=pictures, mesh_px=geometry.mesh_px)
            driving = Driving(geometry=geometry, neutral=neutral, mode=job.mode, pictures=faces)
            rgb = method.draw(identity, driving)
            rounded = (rgb.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
            frames += list(np.ascontiguousarray(rounded.cpu().numpy()))
        return frames

    def forget(self) -> None:
        """Drop all encoded sources."""
        self._identities.clear()

    def see(self, frame: Frame) -> Seen | None:
        """Track a single picture and read its face; None if no face is found."""
        try:
            geometry = self.networks.tracker.track(frame)
        except NoFaceFoundError:
            return None
        crops = aligned_crops([frame], [geometry.mesh_px[0].cpu().numpy()])
        return Seen(
            mesh_px=geometry.mesh_px[0].cpu(),
            rotation=geometry.rotation[0].cpu(),
            action_units=geometry.action_units[0].cpu(),
            embeddings={key: encoder.embed(crops)[0] for key, encoder in self.networks.encoders.items()},
        )

    def look(self, frame: Frame) -> Look:
        """Readings of the networks that compare looks."""
        return Look(frame, self.networks, self.device)

    def frame(self, row: int) -> Frame:
        """A copy of a picture of the set."""
        return np.array(self.data.rgb[row])

    def _see_real(self, row: int) -> Seen | None:
        return self.see(self.frame(row))

    def _encoded(self, job: Job, method: Method) -> Any:
        """The encoded source, cached because jobs of one source follow each other."""
        key = (job.source, method.label)
        if key not in self._identities:
            if len(self._identities) >= _KEPT:
                self._identities.clear()
            image = FaceImage(
                rgb=to_rgb([self.frame(job.source)], self.device),
                crop_from_frame=torch.eye(3, device=self.device)[None],
            )
            self._identities[key] = method.encode(image, to_device(job.source_geometry, self.device))
        return self._identities[key]

    def _measure_pairs(self, job: Job, method: Method) -> Iterator[Outcome]:
        copied = isinstance(method, CopySource)
        frames = [self.frame(job.source)] * len(job.driving) if copied else self.draw(job, method)
        pixels = self._compare_pixels(job, frames) if job.truth else [{} for _ in frames]
        for row, frame, values in zip(job.driving, frames, pixels, strict=True):
            seen = self.see_real(job.source) if copied else self.see(frame)
            features = {}
            if job.kind == "pair":
                look = self.look_real(job.source) if copied else self.look(frame)
                features = self.real_features(job.source) if copied else self._features(frame, seen, look)
                values |= self._compare_faces(job, row, seen)
                values |= self._compare_looks(job, row, look, seen) if job.truth else {}
            elif seen is not None and job.second is not None and (second := self.see_real(job.second)) is not None:
                values["lsim"] = float(metrics.lsim(seen.landmarks_px[None], second.landmarks_px[None]))
            yield self._outcome(job, method.label, row, values, features)

    def _compare_pixels(self, job: Job, frames: list[Frame]) -> list[dict[str, float]]:
        """Pixel measures of each result against its real frame."""
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
        """Measures of a result's face against those of the source and the driving frame."""
        source, target = self.see_real(job.source), self.see_real(row)
        values = {"found": float(seen is not None)}
        if seen is None:
            return values
        values |= identity_similarities(seen, source)
        if target is not None and job.truth:
            values["akd_px"] = float(metrics.akd_px(seen.landmarks_px[None], target.landmarks_px[None]))
            values["ace_px"] = float(metrics.ace_px(seen.landmarks_px[None], target.landmarks_px[None]))
        if target is not None and job.mode == "absolute":
            values["psim"] = float(metrics.psim(seen.rotation[None], target.rotation[None]))
            values["pose_error_deg"] = float(metrics.pose_error_deg(seen.rotation[None], target.rotation[None]))
            values["ed"] = float(metrics.ed(seen.action_units[None], target.action_units[None]))
            values["au_error"] = float(metrics.au_error(seen.action_units[None], target.action_units[None]))
        return values

    def _compare_looks(self, job: Job, row: int, look: Look, seen: Seen | None) -> dict[str, float]:
        """Measures of a result's outline, rim, mouth and eyes against the true frame's."""
        truth, target, source = self.look_real(row), self.see_real(row), self.see_real(job.source)
        rotations = (torch.from_numpy(np.array(self.data.rotation[each]))[None] for each in (job.source, row))
        turn_deg = float(metrics.pose_error_deg(*rotations))
        mesh = None if target is None else target.mesh_px
        values = compare_outlines(look, truth, self.look_real(job.source), mesh, turn_deg)
        values |= compare_detail(look, truth)
        if seen is not None and target is not None:
            before = None if source is None else source.mesh_px
            values |= compare_parts(look, truth, (seen.mesh_px, target.mesh_px), before)
        return values

    def _measure_real(self, job: Job) -> list[Outcome]:
        """Outcomes of the real pictures that sets are compared with: driving frames, or the source without a truth."""
        outcomes = []
        for row in job.driving:
            real = row if job.truth else job.source
            values = identity_similarities(self.see_real(real), self.see_real(job.source)) if job.truth else {}
            outcomes.append(self._outcome(job, REAL, row, values, self.real_features(real)))
        return outcomes

    def _real_features(self, row: int) -> dict[str, np.ndarray]:
        return self._features(self.frame(row), self.see_real(row), self.look_real(row))

    def _features(self, frame: Frame, seen: Seen | None, look: Look) -> dict[str, np.ndarray]:
        features = {} if look.pooled is None else {"kid": look.pooled}
        if seen is not None:
            features["frechet_identity"] = seen.embeddings["csim"].numpy()
        if self.networks.inception is not None:
            picture = torch.from_numpy(frame).permute(2, 0, 1)[None]
            features["fid"] = self.networks.inception(picture)[0].numpy()
        return features

    def _measure_run(self, job: Job, method: Method, driving: Float[Tensor, "t 68 2"] | None) -> Outcome:
        frames = self.draw(job, method)
        result, values = self._follow(frames), dict[str, float]()
        if self.data.clip[job.source] == self.data.clip[job.driving[0]]:
            flows = [self.flow_to(row) for row in job.driving[1:]]
            own = metrics.warp_error([self.frame(row) for row in job.driving], flows)
            values["warp_error"] = metrics.warp_error(frames, flows) / max(own, _LEAST_WARP_ERROR)
        if driving is not None and result is not None:
            values["jitter_px"] = float(metrics.temporal_jitter_px(result, driving).mean())
        return self._outcome(job, method.label, job.driving[0], values, {})

    def _follow(self, frames: list[Frame]) -> Float[Tensor, "t 68 2"] | None:
        """Unfiltered landmarks of consecutive frames; None if the face is lost."""
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


def identity_similarities(seen: Seen | None, source: Seen | None) -> dict[str, float]:
    """Cosine similarity to the source by every encoder; {} if a face is missing."""
    if seen is None or source is None:
        return {}
    return {
        key: float(metrics.csim(embedding[None], source.embeddings[key][None]))
        for key, embedding in seen.embeddings.items()
    }


def to_rgb(frames: list[Frame], device: torch.device) -> Float[Tensor, "n 3 h w"]:
    """Pictures as tensors in [0, 1]."""
    return torch.from_numpy(np.stack(frames)).to(device).permute(0, 3, 1, 2).float() / 255
