"""One of the systems that are compared: it draws, and what it has drawn is measured."""

import time

import cv2
import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from reenact.errors import NoFaceFoundError
from reenact.hub.loading import face_encoder
from reenact.media.frame import Frame
from reenact.perception.crop import centred
from reenact.perception.identity import similarity
from reenact.perception.needs import face_codes
from reenact.perception.tracking import Tracker
from reenact.pipeline.animate import Animator
from reenact.pipeline.compare.figures import SystemFigures
from reenact.pipeline.compare.sheet import PAPER
from reenact.pipeline.engine import Engine
from reenact.pipeline.results import to_frames
from reenact.pipeline.shots import Driver
from reenact.pipeline.source import Source, to_device
from reenact.types import FaceGeometry, pose_error_deg

MEASURED_EVERY = 4
"""Of a clip's frames, each fourth is measured: tracking takes about as long as drawing."""


class Contender:
    """A system with its source, drawn absolutely."""

    def __init__(self, engine: Engine, source: Source, tracker: Tracker, *, paste_back: bool) -> None:
        """Nothing is drawn yet.

        Args:
            engine: draws.
            source: encoded by the engine.
            tracker: reads the results; the same for all systems.
            paste_back: whether results are whole source pictures; otherwise crops.
        """
        self.animator = Animator(source, None, system=engine.system, mode="absolute", paste_back=paste_back)
        self._beyond = None if paste_back else _beyond_border(source)
        self.still = self._shown(self.animator.still)
        """The source with the framing of the results."""
        self.warnings = source.warnings
        self._id, self._tracker, self._encoder = engine.system.system, tracker, face_encoder(engine.device)
        self._own = face_codes(self._encoder, source.image.rgb, to_device(source.face, engine.device).mesh_px)
        self._errors_deg, self._similarities = list[float](), list[float]()
        self._seconds, self._drawn, self._lost = 0.0, 0, 0

    def draw(self, driver: Driver, first: int = 0) -> list[Frame]:
        """Results for frames of one shot.

        Args:
            driver: their faces.
            first: number of the first one; multiples of `MEASURED_EVERY` are measured.
        """
        animator = self.animator
        if driver.neutral is not animator.neutral:
            animator.start_shot(driver.neutral)
        if not self._drawn:  # the first frame loads painters and warms up caches, which is no property of a system
            animator.draw_driven(animator.drive(driver.geometry[:1]))
        begun = time.perf_counter()
        rendered = animator.draw_driven(animator.drive(driver.geometry), driver.faces)
        frames = list(map(self._shown, animator.finish(rendered)))
        self._seconds += time.perf_counter() - begun
        self._drawn += len(frames)
        for i in range(-first % MEASURED_EVERY, len(frames), MEASURED_EVERY):
            self._measure(rendered.rgb[i : i + 1], driver.geometry[i : i + 1])
        return frames

    def _shown(self, frame: Frame) -> Frame:
        """A crop with paper where the picture has no pixels, in place of its border's, repeated."""
        return frame if self._beyond is None else np.where(self._beyond, np.array(PAPER, np.uint8), frame)

    @torch.inference_mode()
    def _measure(self, rgb: Tensor, driver: FaceGeometry) -> None:
        """Read one result crop."""
        try:
            found = self._tracker.track(to_frames(rgb)[0])
        except NoFaceFoundError:
            self._lost += 1
            return
        code = face_codes(self._encoder, rgb, found.mesh_px)
        self._similarities.append(float(similarity(code, self._own)))
        self._errors_deg.append(float(pose_error_deg(found.rotation.cpu(), driver.rotation.cpu())))

    def figures(self) -> SystemFigures:
        """What was measured so far."""
        return SystemFigures(
            system=self._id,
            pose_error_deg=_mean(self._errors_deg),
            identity=_mean(self._similarities),
            seconds_per_frame=self._seconds / max(self._drawn, 1),
            lost=self._lost,
        )


def _beyond_border(source: Source) -> Bool[np.ndarray, "side side 3"] | None:
    """Pixels of a source's crop that are outside of its picture; None if there are none."""
    inside = np.full_like(source.frame, 255)
    matrix = centred(source.image.crop_from_frame[0].cpu().double().numpy())[:2]
    beyond = source.turned_back(cv2.warpAffine(inside, matrix, (source.crop_px, source.crop_px))) < 128
    return beyond if beyond.any() else None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
