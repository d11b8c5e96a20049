"""A tracker and a system that are simple enough to know their answers by heart."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reenact.errors import Hint, NoFaceFoundError, Note
from reenact.media import VideoWriter
from reenact.media.frame import Frame
from reenact.perception.detector import Detections
from reenact.perception.tracking import TrackReport, mesh_box
from reenact.pipeline.engine import Engine
from reenact.systems.base import EncodedCrop, MotionMode, Reenactor, Rendered
from reenact.types import CropSpec, FaceGeometry, FaceImage
from tests.synthetic import painted_portrait

MARK_PX = 16
"""A frame says where its face is by the colour of its upper left corner: x / 2, y / 2, size / 2; black is no face."""


def make_face(x: float, y: float, size: float) -> FaceGeometry:
    """A face whose mesh fills a square of `size` around x, y."""
    points = torch.rand(478, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    points[0, :2], points[1, :2] = -0.5, 0.5
    return FaceGeometry(
        mesh_px=(points * size + torch.tensor([x, y, 0.0]))[None],
        blendshapes=torch.zeros(1, 52),
        rotation=torch.eye(3)[None],
        action_units=torch.zeros(1, 17),
        score=torch.ones(1),
    )


def make_frame(face: tuple[int, int, int] | None, width: int = 320, height: int = 240, seed: int = 0) -> Frame:
    """A picture with or without a face."""
    smooth = np.random.default_rng(seed).integers(60, 200, (height // 8, width // 8, 3), np.uint8)
    frame = np.kron(smooth, np.ones((8, 8, 1), np.uint8))
    frame[:MARK_PX, :MARK_PX] = 0 if face is None else np.array(face) // 2
    return frame


class MarkTracker:
    """Reads the mark."""

    def __init__(self) -> None:
        self.tracked = 0

    def _face(self, frame: Frame) -> FaceGeometry | None:
        x, y, size = np.round(frame[4:12, 4:12].mean((0, 1))).astype(int) * 2
        return None if size < 20 else make_face(x, y, size)

    def find(self, frame: Frame) -> Detections:
        face = self._face(frame)
        boxes = np.zeros((0, 4), np.float32) if face is None else mesh_box(face)[None]
        return Detections(boxes_px=boxes, scores=np.ones(len(boxes), np.float32))

    def track(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> FaceGeometry:
        return self.report(frame, face=face, min_score=min_score).geometry

    def report(self, frame: Frame, *, face: int | None = None, min_score: float = 0.5) -> TrackReport:
        self.tracked += 1
        geometry = self._face(frame)
        if geometry is None:
            raise NoFaceFoundError("No face found (best score 0.00, need 0.50); give another.")
        warnings = (Note("2 faces found; the largest was taken.", hint=Hint.SOURCE_FACE),) if face is None else ()
        return TrackReport(geometry=geometry, faces=self.find(frame), face=face or 1, warnings=warnings)

    def follow(self, frame: Frame, previous: FaceGeometry, *, careful: bool = False) -> FaceGeometry:
        geometry = self._face(frame)
        return dataclasses.replace(previous, score=torch.zeros(1)) if geometry is None else geometry


class ShiftSystem(Reenactor[Any, Any, Any]):
    """Paints the crop grey, brighter by the driver's displacement to the right: 128 + 1 grey level a pixel."""

    system = "shift"
    crop = CropSpec()

    def __init__(self) -> None:
        super().__init__()
        self.networks = nn.Linear(1, 1)
        self.encoded = 0
        self.batches: list[int] = []
        self.neutrals: list[float] = []
        self.changed = 1.0

    def _encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> EncodedCrop:
        self.encoded += 1
        return EncodedCrop(portrait=painted_portrait(), rgb=image.rgb, mesh=geometry.mesh_px)

    def read_motion(self, image: FaceImage | None, geometry: FaceGeometry) -> torch.Tensor:
        return geometry.mesh_px[:, :2, 0].mean(1)

    def find_neutral(self, motion: torch.Tensor) -> int:
        return int(motion.argmin())

    def select(self, motion: torch.Tensor, frames: slice) -> torch.Tensor:
        return motion[frames]

    def retarget(self, identity: EncodedCrop, motion: torch.Tensor, neutral: torch.Tensor, mode: MotionMode) -> Any:
        assert len(neutral) == 1
        self.neutrals.append(round(float(neutral)))
        return motion - neutral

    def target_mesh(self, identity: EncodedCrop, driven: torch.Tensor) -> torch.Tensor:
        raise AssertionError("only the painters ask for it, and there are none")

    def render(self, identity: EncodedCrop, driven: torch.Tensor) -> Rendered:
        self.batches.append(len(driven))
        side = identity.rgb.shape[-1]
        grey = (128 + driven) / 255
        return Rendered(
            rgb=grey[:, None, None, None].expand(-1, 3, side, side).contiguous(),
            changed=torch.full((len(driven), 1, side, side), self.changed),
        )


@pytest.fixture(scope="module", autouse=True)
def same_portraits(portraits_once: None) -> None:
    """Sources that several tests share are taken apart once."""


@pytest.fixture
def engine() -> Engine:
    return Engine(system=ShiftSystem().requires_grad_(False), tracker=MarkTracker(), device=torch.device("cpu"))


@pytest.fixture
def clip(tmp_path: pathlib.Path) -> Callable[[Sequence[tuple[int, int, int] | None]], pathlib.Path]:
    """Writes a clip whose frames have these faces."""

    def write(faces: Sequence[tuple[int, int, int] | None]) -> pathlib.Path:
        path = tmp_path / "driving.mp4"
        with VideoWriter(path, width=320, height=240, fps=Fraction(25)) as writer:
            for each in faces:
                writer.write(make_frame(each))
        return path

    return write
