"""Driving geometry to result pictures: the last three verbs, and the way back to uint8."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from reenact.errors import ShapeError
from reenact.pipeline.paste import PasteBack
from reenact.pipeline.source import Source, to_device
from reenact.systems.base import MotionMode, Reenactor, Rendered
from reenact.types import FaceGeometry, Frame

BATCH = 8
"""Frames drawn at once where crops are small; more gain nothing on a CPU."""
_BATCH_PIXELS = BATCH * 320 * 320
"""Native pixels drawn at once: each takes some 100 bytes of working memory."""


class Animator:
    """One source, driven by one face."""

    def __init__(
        self,
        source: Source,
        neutral: FaceGeometry | None,
        *,
        system: Reenactor[Any, Any, Any],
        mode: MotionMode,
        paste_back: bool,
        change: Callable[[Any], Any] | None = None,
    ) -> None:
        """Get ready.

        Args:
            source: who is drawn.
            neutral: the driver's reference, f = 1, pixels of the driving frames; the first frame drawn if None.
            system: draws; the same that encoded the source.
            mode: how the motion is taken over.
            paste_back: results are whole source pictures; else crops.
            change: what is done to the driver's motion (not to that of `neutral`) before it is carried over.
        """
        self._change = change
        self._source, self._system = source, system
        self._mode: MotionMode = mode
        self._device = next(system.parameters()).device
        self._neutral = None if neutral is None else self._read(neutral)
        crop_from_frame = source.image.crop_from_frame[0].cpu()
        self._paste = PasteBack(source.frame, crop_from_frame, source.crop_px) if paste_back else None
        self.batch = min(max(_BATCH_PIXELS // source.crop_px**2, 1), BATCH)
        """Frames to give to `draw` at once, so that memory stays within bounds."""
        self.still = source.turned_back(source.frame if paste_back else to_frames(source.image.rgb)[0])
        """The source, framed as the results are."""

    def draw(self, driving: FaceGeometry) -> list[Frame]:
        """Results for f frames, whose geometry has the same pixels as `neutral`."""
        return self.finish(self.render(driving))

    def draw_found(self, driving: list[FaceGeometry | None]) -> list[Frame | None]:
        """The same for frames of which some have no face."""
        found = [geometry for geometry in driving if geometry is not None]
        results = iter(self.draw(FaceGeometry.cat(found)) if found else [])
        return [None if geometry is None else next(results) for geometry in driving]

    def render(self, driving: FaceGeometry) -> Rendered:
        """The result crops."""
        return self.draw_driven(self.drive(driving))

    @torch.inference_mode()
    def drive(self, driving: FaceGeometry) -> Any:
        """The motion, fitted to the source: what the system's `retarget` gives."""
        if len(driving) == 0:
            raise ShapeError("at least one driving frame is drawn at a time, got none")
        motion = self._read(driving)
        if self._neutral is None:
            self._neutral = self._system.select(motion, slice(0, 1))
        if self._change is not None:
            motion = self._change(motion)
        return self._system.retarget(self._source.identity, motion, self._neutral, self._mode)

    @torch.inference_mode()
    def draw_driven(self, driven: Any) -> Rendered:
        """The result crops of a motion that `drive` has fitted."""
        return self._system.render(self._source.identity, driven)

    @torch.inference_mode()
    def finish(self, rendered: Rendered) -> list[Frame]:
        """Result crops to the pictures that are handed out."""
        crops = to_frames(rendered.rgb)
        if self._paste is not None:
            changed = rendered.changed[:, 0].float().cpu().numpy()
            crops = [self._paste(crop, matte) for crop, matte in zip(crops, changed, strict=True)]
        return [self._source.turned_back(crop) for crop in crops]

    @torch.inference_mode()
    def _read(self, geometry: FaceGeometry) -> Any:
        return self._system.read_motion(None, to_device(geometry, self._device))


def to_frames(rgb: Float[torch.Tensor, "f 3 h w"]) -> list[Frame]:
    """RGB in [0, 1] to uint8 pictures."""
    rounded = (rgb.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return list(np.ascontiguousarray(rounded.permute(0, 2, 3, 1).cpu().numpy()))
