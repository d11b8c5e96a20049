"""One source driven by one face: from driving geometry to result pictures."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch

from reenact.errors import ShapeError
from reenact.geometry.morphable import load_morphable
from reenact.media.frame import Frame
from reenact.perception.crop import cut_face
from reenact.pipeline.chosen_motion import change_driving
from reenact.pipeline.options import DrivingOptions
from reenact.pipeline.paste import PasteBack
from reenact.pipeline.results import to_frames
from reenact.pipeline.source import Source, to_device
from reenact.portrait.painters import DrivingFaces
from reenact.systems.base import MotionMode, Reenactor, Rendered
from reenact.types import FaceGeometry

BATCH = 8
"""Largest number of frames rendered at once; more are not faster on a CPU."""
_BATCH_PIXELS = BATCH * 320 * 320
"""Largest number of crop pixels rendered at once; each takes about 100 bytes of working memory."""

Restore = Callable[[Rendered, torch.Tensor], Rendered]
"""Redraws the faces in result crops, given their meshes in half-sides: `reenact.restore.gfpgan.Restorer`."""


class Animator:
    """A source, or the frames of a source clip, driven by one face."""

    def __init__(
        self,
        source: Source | None,
        neutral: FaceGeometry | None,
        *,
        system: Reenactor[Any, Any, Any],
        mode: MotionMode,
        paste_back: bool,
        change: Callable[[Any], Callable[[Any], Any]] | None = None,
        options: DrivingOptions | None = None,
        restore: Restore | None = None,
    ) -> None:
        """Prepare the source.

        Args:
            source: encoded by `system`; None if `take` follows.
            neutral: the driver's reference, f = 1, pixels of the driving frames; None if `start_shot` follows.
            system: draws.
            mode: how the motion is transferred.
            paste_back: whether results are whole source pictures; otherwise crops.
            change: makes, from a source's identity, the change of the driver's motion, but not of that of `neutral`,
                before it is retargeted.
            options: what of the driver's motion reaches the source; all of it if None.
            restore: applied to what the system has drawn.
        """
        self.system, self._restore = system, restore
        self._mode: MotionMode = mode
        self._change, self._paste_back = change, paste_back
        self._body_stays = options is not None and options.body == "stays"
        self._options = None if options is None or options.changes_nothing else options
        self.moves = change is not None or options is None or not options.moves_nothing
        """Whether anything is drawn; otherwise results are the source, pixel for pixel."""
        self._device = next(system.parameters()).device
        self.neutral = neutral
        if neutral is not None:
            self.start_shot(neutral)
        if source is not None:
            self.take(source)

    def take(self, source: Source) -> None:
        """Draw this source from here on."""
        if self._body_stays:
            portrait = dataclasses.replace(source.identity.portrait, body_stays=True)
            source = dataclasses.replace(source, identity=dataclasses.replace(source.identity, portrait=portrait))
        self._source = source
        self._change_motion = None if self._change is None else self._change(source.identity)
        self._paste = PasteBack.of(source) if self._paste_back else None
        self.batch = min(max(_BATCH_PIXELS // source.crop_px**2, 1), BATCH)
        """Number of frames to give to `draw` at once, so that memory is bounded."""
        self.still = source.still(paste_back=self._paste_back)
        """The source with the framing of the results."""

    def start_shot(self, neutral: FaceGeometry) -> None:
        """Take this reference for the frames that follow."""
        self.neutral, self._neutral = neutral, self._read(neutral)

    def draw(self, driving: FaceGeometry, driver: DrivingFaces | None = None) -> Iterator[Frame]:
        """Results for f frames, pasted back one at a time.

        Args:
            driving: in the same pixels as `neutral`.
            driver: of `show`, for the same frames; without it the painter guesses teeth and tongue.
        """
        if not self.moves:
            return itertools.repeat(self.still, len(driving))
        return self.finish(self.draw_driven(self.drive(driving), driver))

    def show(self, frame: Frame, geometry: FaceGeometry) -> DrivingFaces:
        """The face of a driving frame as a small crop."""
        image, face = cut_face(frame, geometry, self.system.crop, native=False)
        return DrivingFaces(rgb=image.rgb.to(self._device), mesh_px=face.mesh_px.to(self._device))

    @torch.inference_mode()
    def drive(self, driving: FaceGeometry) -> Any:
        """The motion, retargeted to the source."""
        if len(driving) == 0:
            raise ShapeError("at least one driving frame is drawn at a time, got none")
        neutral = self._neutral
        if self._options is not None:
            assert self.neutral is not None
            face = to_device(self._source.face, torch.device("cpu"))
            changed = change_driving(self._options, load_morphable(), driving, self.neutral, face, self._mode)
            driving, neutral = changed[0], self._read(changed[1])
        motion = self._read(driving)
        if self._change_motion is not None:
            motion = self._change_motion(motion)
        return self.system.retarget(self._source.identity, motion, neutral, self._mode)

    @torch.inference_mode()
    def draw_driven(self, driven: Any, driver: DrivingFaces | None = None) -> Rendered:
        """The result crops of a motion that `drive` has retargeted."""
        identity = self._source.identity
        rendered = self.system.draw(identity, driven, driver)
        return rendered if self._restore is None else self._restore(rendered, self.system.target_mesh(identity, driven))

    def finish(self, rendered: Rendered) -> Iterator[Frame]:
        """Result pictures from result crops; only one whole picture is held at a time."""
        mattes = rendered.changed[:, 0].float().cpu().numpy()
        for crop, matte in zip(to_frames(rendered.rgb), mattes, strict=True):
            yield self._source.turned_back(crop if self._paste is None else self._paste(crop, matte))

    @torch.inference_mode()
    def _read(self, geometry: FaceGeometry) -> Any:
        return self.system.read_motion(None, to_device(geometry, self._device))
