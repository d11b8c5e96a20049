"""A source encoded for one system, ready to be redrawn any number of times."""

import dataclasses
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from reenact.media.frame import Frame
from reenact.perception.crop import placed_square
from reenact.pipeline.animate import Restore
from reenact.pipeline.controls.background import Cutout
from reenact.pipeline.controls.reading import FaceReading
from reenact.pipeline.controls.rules import is_same
from reenact.pipeline.paste import PasteBack
from reenact.pipeline.results import to_frames
from reenact.pipeline.source import Source, bytes_of
from reenact.systems.base import Reenactor, Rendered


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawn:
    """A redrawn source, framed as the results are."""

    rgb: Frame
    changed: Float[np.ndarray, "s s"] | None
    """`Rendered.changed`; None if nothing was redrawn."""


class EncodedFace:
    """What one system reads in a source, and draws of it.

    A preview is the crop alone, at the network's side. Other results are the whole source picture; without paste-back,
    the crop at its own size.
    """

    def __init__(
        self, source: Source, system: Reenactor[Any, Any, Any], *, paste_back: bool, restore: Restore | None = None
    ) -> None:
        """Read the source.

        Args:
            source: encoded by `system`.
            system: one that can pose.
            paste_back: whether results are whole source pictures.
            restore: applied to what the system has drawn, but for previews; a face that is not changed is restored.
        """
        self._restore = restore
        self.source, self._system, self.system_id = source, system, system.system
        self.reading = FaceReading.from_controls(system.read_controls(source.identity))
        self._paste = PasteBack.of(source) if paste_back else None
        self._cutouts: dict[bool, Cutout] = {}

    @property
    def nbytes(self) -> int:
        """Memory of the source, its encoding and its mattes."""
        return bytes_of([self.source, *(cutout.matte for cutout in self._cutouts.values())])

    def still(self, *, preview: bool = False) -> Frame:
        """The source, framed as the results are."""
        if preview:
            return self.source.turned_back(to_frames(self.source.identity.rgb)[0])
        return self.source.still(paste_back=self._paste is not None)

    @torch.inference_mode()
    def draw(self, target: FaceReading, *, preview: bool = False) -> Drawn:
        """The source doing what `target` says; doing what it does already, a copy of it."""
        identity, restore = self.source.identity, None if preview else self._restore
        stays = is_same(target, self.reading)
        if stays and restore is None:
            return Drawn(rgb=self.still(preview=preview), changed=None)
        if preview:
            identity = dataclasses.replace(identity, portrait=identity.portrait.resized(identity.rgb.shape[-1]))
        if stays:
            rgb, mesh = identity.native_rgb, identity.mesh
            rendered = Rendered(rgb=rgb, changed=torch.zeros_like(rgb[:, :1]))
        else:
            driven = self._system.pose(identity, target.to_controls(identity.rgb.device))
            rendered, mesh = self._system.draw(identity, driven), self._system.target_mesh(identity, driven)
        rendered = rendered if restore is None else restore(rendered, mesh)
        crop, changed = to_frames(rendered.rgb)[0], rendered.changed[0, 0].float().cpu().numpy()
        rgb = crop
        if self._paste is not None and not preview:
            rgb, changed = self._paste(crop, changed), self._paste.levelled(changed)
        return Drawn(rgb=self.source.turned_back(rgb), changed=changed)

    def cutout(self, *, preview: bool = False) -> Cutout:
        """The person in the source; found once."""
        if preview not in self._cutouts:
            still = self.still(preview=preview)
            square = (0, 0, len(still))
            if self._paste is not None and not preview:
                square = placed_square(self.source.image.crop_from_frame[0].cpu(), self.source.crop_px)
            device = self.source.identity.rgb.device
            self._cutouts[preview] = Cutout(still, square, device, quarters=self.source.quarters)
        return self._cutouts[preview]
