"""MediaPipe's FaceLandmarker (Apache-2.0) behind the type of the project's own tracker.

Its predictions taught our network. It needs the library and one file of weights, neither of which comes with the
project, runs on the CPU, and finds no strong profiles.
"""

import importlib
import os
import pathlib
import weakref
from typing import Any

import numpy as np
import torch

from reenact.errors import MissingDependencyError
from reenact.geometry.action_units import read_action_units
from reenact.media.frame import Frame
from reenact.perception.adapter import WholeFrameTracker
from reenact.types import FaceGeometry

MODEL_VARIABLE = "REENACT_FACE_LANDMARKER"
"""Environment variable that names the file of weights."""
MODEL_NAME = "face_landmarker.task"
MAX_FACES = 8


class MediaPipeTracker(WholeFrameTracker):
    """FaceLandmarker on single pictures; no state is carried from frame to frame."""

    def __init__(self, model_file: str | os.PathLike[str] | None = None) -> None:
        """Open the weights.

        Args:
            model_file: ``face_landmarker.task``; None takes the path in REENACT_FACE_LANDMARKER.

        Raises:
            MissingDependencyError: the library or the file is absent, or the file is something else.
        """
        path = find_model(model_file)
        try:
            self.library: Any = importlib.import_module("mediapipe")
            tasks: Any = importlib.import_module("mediapipe.tasks.python")
            vision: Any = importlib.import_module("mediapipe.tasks.python.vision")
        except (ImportError, OSError) as error:  # OSError: a system library that it needs is absent
            raise MissingDependencyError(
                f"The MediaPipe tracker needs its library ({error}); run `pip install mediapipe` "
                "(on Debian also apt-get install libgl1 libegl1 libgles2 libglib2.0-0), or use the tracker 'own'."
            ) from error
        options = vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            num_faces=MAX_FACES,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        try:
            self.landmarker: Any = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise MissingDependencyError(
                f"MediaPipe cannot use {path} ({reason}); download {MODEL_NAME} again."
            ) from error

        # closed at exit while the library still stands; its own destructor comes too late and complains
        weakref.finalize(self, self.landmarker.close)

    def see(self, frame: Frame) -> list[FaceGeometry]:
        """All faces that FaceLandmarker finds; it gives no score, so each has 1."""
        picture = self.library.Image(image_format=self.library.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
        found = self.landmarker.detect(picture)
        height, width = frame.shape[:2]
        faces: list[FaceGeometry] = []
        for points, shapes, matrix in zip(
            found.face_landmarks, found.face_blendshapes, found.facial_transformation_matrixes, strict=True
        ):
            # z is on the scale of x
            mesh = np.array([[p.x * width, p.y * height, p.z * width] for p in points], np.float32)
            columns = np.asarray(matrix, np.float32)[:3, :3]
            mesh_px = torch.from_numpy(mesh)[None]
            blendshapes = torch.tensor([[shape.score for shape in shapes]], dtype=torch.float32)
            faces.append(
                FaceGeometry(
                    mesh_px=mesh_px,
                    blendshapes=blendshapes,
                    rotation=torch.from_numpy(columns / np.linalg.norm(columns, axis=0, keepdims=True))[None],
                    action_units=read_action_units(blendshapes, mesh_px),
                    score=torch.ones(1),
                )
            )
        return faces


def find_model(model_file: str | os.PathLike[str] | None = None) -> pathlib.Path:
    """The file of weights.

    Raises:
        MissingDependencyError: it is not named, or not there; the text says where to put it.
    """
    given = model_file or os.environ.get(MODEL_VARIABLE)
    advice = (
        f"download {MODEL_NAME} (MediaPipe's FaceLandmarker bundle, from the model page of its documentation) "
        f"and set {MODEL_VARIABLE} to its path, or use the tracker 'own'."
    )
    if not given:
        raise MissingDependencyError(f"The MediaPipe tracker needs its weights and no file is named; {advice}")
    path = pathlib.Path(given).expanduser()
    if not path.is_file():
        raise MissingDependencyError(f"The MediaPipe tracker's weights are not at {path}; {advice}")
    return path
