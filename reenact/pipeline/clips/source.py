"""The frames of a source clip, each ready to be driven.

frame ── track ──▶ face ── crop (of one side in a shot) ──▶ portrait (`ClipPortraits`) ── encode_identity ──▶ Source
"""

import concurrent.futures
import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from fractions import Fraction

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reenact.errors import Hint, Note
from reenact.geometry.morphable import load_morphable
from reenact.geometry.placement import to_half_sides
from reenact.media import VideoReader
from reenact.media.frame import Frame
from reenact.perception.crop import LARGEST_PX, SMALLEST_PX, cut_face, face_square
from reenact.perception.crop_box import CropBox
from reenact.perception.tracking import FaceTracker
from reenact.perception.video import VideoTracker
from reenact.pipeline.clips.ahead import read_ahead
from reenact.pipeline.driving import damage_warnings
from reenact.pipeline.engine import Engine
from reenact.pipeline.looks import expect_face
from reenact.pipeline.results import frame_ranges, size_of
from reenact.pipeline.source import LEVEL_RAD, Source, roll_of, to_device, turn_quarters, upright_quarters
from reenact.portrait.clip import ClipPortraits
from reenact.systems.base import Need
from reenact.types import FaceGeometry, FaceImage

_SAME_SIZE = 0.15
"""Share by which a face may grow or shrink before its square gets another side."""
_PARSED_HZ = 15
"""How often a crop is parsed anew: the square follows the head, and hair moves little in it from frame to frame."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceFrame:
    """A frame of a source clip."""

    frame: Frame
    """As it was filmed."""
    source: Source | None
    """None if no face was found."""


class SourceClip:
    """A clip whose face is redrawn; a context manager that frees its files."""

    def __init__(
        self,
        path: str | pathlib.Path,
        *,
        fps: Fraction | None = None,
        face: int | None = None,
        min_score: float = 0.5,
        largest_px: int = LARGEST_PX,
        paste_back: bool = True,
        crop: CropBox | None = None,
    ) -> None:
        """Open the clip.

        Args:
            path: of the file.
            fps: rate at which frames are read; the clip's own if None.
            face: number of the face in the first frame with one, 1 is the largest; the largest if None.
            min_score: certainty, 0 to 1, from which on a detection counts as a face.
            largest_px: larger faces are redrawn at this side.
            paste_back: whether results are whole frames; otherwise crops.
            crop: another square around the face than the system's.

        Raises:
            UnsupportedInputError: see `VideoReader`.
        """
        self.path = pathlib.Path(path)
        self._reader = VideoReader(path, fps=fps)
        self.info = self._reader.info
        self._face, self._min_score, self._largest_px, self._paste_back = face, min_score, largest_px, paste_back
        self._ahead = concurrent.futures.ThreadPoolExecutor(1)
        self._crop = crop
        self._missing: list[int] = []
        self._warnings: tuple[Note, ...] = ()

    def __enter__(self) -> "SourceClip":
        return self

    def __exit__(self, *_: object) -> None:
        self._ahead.shutdown()
        self._reader.close()

    def start(self, engine: Engine, check: Callable[[], None] = lambda: None) -> None:
        """Expect a face.

        Args:
            engine: finds and encodes the face.
            check: called before every frame; raises to end the work.

        Raises:
            NoFaceFoundError: no face in the clip.
        """
        self._engine, self._check = engine, check
        tracker, smallest = engine.tracker, SMALLEST_PX if self._paste_back else engine.system.crop.network_px
        first = expect_face(self._reader, tracker=tracker, face=self._face, min_score=self._min_score, check=check)
        self._limits = {"smallest_px": smallest, "largest_px": self._largest_px}
        side = min(max(face_square(first, engine.system.crop, box=self._crop)[2], smallest), self._largest_px)
        self.size = (self.info.width, self.info.height) if self._paste_back else (side, side)
        """Width and height of the results."""

    def fit(self, result: Frame) -> UInt8[np.ndarray, "_ _ 3"]:
        """A result, resized to `size` if the side of the crop has changed."""
        return result if size_of(result) == self.size else cv2.resize(result, self.size, interpolation=cv2.INTER_AREA)

    def unchanged(self, frame: Frame) -> UInt8[np.ndarray, "_ _ 3"] | None:
        """The result where no face was found: the frame as it was filmed; None for crops, which show nothing else."""
        return frame if self._paste_back else None

    def frames(self, *, backwards: bool = False) -> Iterator[SourceFrame]:
        """All frames, each tracked and encoded while the one before is drawn; may be called several times.

        Args:
            backwards: from the last to the first; only after they have been read forwards.
        """
        return read_ahead(self._frames(backwards), self._ahead)

    def _frames(self, backwards: bool) -> Iterator[SourceFrame]:
        engine = self._engine
        finder = engine.tracker.for_both_eyes() if isinstance(engine.tracker, FaceTracker) else engine.tracker
        tracker = VideoTracker(
            finder,
            float(self.info.fps),
            smoothing=False,  # filtered points would lag behind the pixels that they are to move
            face=self._face,
            min_score=self._min_score,
        )
        encoder = _Encoder(engine, max(round(self.info.fps / _PARSED_HZ), 1), self._limits, self._crop)
        missing: list[int] = []
        cuts = 0
        for index, frame in enumerate(self._reader.backwards() if backwards else self._reader):
            self._check()
            geometry = tracker.update(frame)
            if geometry is None:
                missing.append(index)
                yield SourceFrame(frame=frame, source=None)
                continue
            if len(tracker.cuts) != cuts:
                cuts = len(tracker.cuts)
                encoder.start_shot()
            yield SourceFrame(frame=frame, source=encoder.encode(frame, geometry))
        if not backwards:
            self._missing, self._warnings = missing, tracker.warnings

    def notes(self) -> Iterator[str]:
        """What was noticed, after the frames have been read."""
        for warning in self._warnings:
            yield warning.about(self.path, hint=Hint.SOURCE_FACE)
        if self._missing:
            count = "1 frame" if len(self._missing) == 1 else f"{len(self._missing)} frames"
            yield f"{self.path}: no face in {count} ({frame_ranges(self._missing)}); left as filmed."
        yield from damage_warnings(self._reader)


class _Encoder:
    """Cuts out and encodes a face, frame by frame."""

    def __init__(self, engine: Engine, parse_every: int, limits: dict[str, int], crop: CropBox | None) -> None:
        self._system, self._parse_every, self._limits = engine.system, parse_every, limits
        self._crop = crop
        self._device = next(engine.system.parameters()).device
        self._portraits = ClipPortraits(load_morphable().to(self._device))
        self.start_shot()

    def start_shot(self) -> None:
        """The next frame shows another scene."""
        self._portraits.start_shot()
        self._side: int | None = None
        self._quarters, self._roll_rad, self._count = 0, 0.0, 0
        self._parsing: UInt8[Tensor, "1 j j"] | None = None
        self._embedding: Float[Tensor, "1 e"] | None = None

    @torch.inference_mode()
    def encode(self, frame: Frame, geometry: FaceGeometry) -> Source:
        """The next frame, with the face in it."""
        system = self._system
        if self._side is None:
            self._quarters = upright_quarters(geometry)
        turned, whole = turn_quarters(frame, geometry, self._quarters)
        if self._side is None:
            self._roll_rad = roll_of(whole) if abs(roll_of(whole)) > LEVEL_RAD else 0.0
        side = face_square(whole, system.crop, box=self._crop)[2]
        if self._side is None or abs(side / self._side - 1) > _SAME_SIZE:
            self._side = side
        image, face = cut_face(
            *(turned, whole, system.crop),
            native=True,
            roll_rad=self._roll_rad,
            side_px=self._side,
            box=self._crop,
            **self._limits,
        )
        image = FaceImage(rgb=image.rgb.to(self._device), crop_from_frame=image.crop_from_frame)
        face = to_device(face, self._device)
        if system.fill_needs is not None:
            image = self._fill(image, face)
        self._count += 1
        return Source(
            frame=turned,
            image=image,
            geometry=whole,
            face=face,
            identity=system.encode_identity(image, face),
            warnings=(),
            quarters=self._quarters,
        )

    def _fill(self, image: FaceImage, face: FaceGeometry) -> FaceImage:
        """The crop with its layers. The code of a face is that of the shot's first frame."""
        assert self._system.fill_needs is not None
        parsing = None if self._count % self._parse_every == 0 else self._parsing
        image = dataclasses.replace(image, parsing=parsing, embedding=self._embedding)
        needs: frozenset[Need] = self._system.needs | frozenset[Need]({"parsing"})
        image = self._system.fill_needs(image, face, needs)
        self._parsing, self._embedding = image.parsing, image.embedding
        assert image.parsing is not None
        mesh = to_half_sides(face.mesh_px, image.rgb.shape[-1])
        portrait = self._portraits.next(image.rgb, image.parsing, mesh, image.crop_from_frame)
        return dataclasses.replace(image, portrait=portrait)
