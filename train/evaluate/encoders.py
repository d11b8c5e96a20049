"""Identity encoders for measuring: the embedded one, and an independent ONNX network (the judge)."""

import pathlib
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.errors import MissingDependencyError, UnsupportedInputError
from reenact.hub.loading import load_identity
from reenact.media.frame import Frame
from reenact.perception.identity import IDENTITY_CROP_PX, identity_crop
from reenact.perception.tracking import cut_crop
from train.evaluate.settings import JudgeInput

_SCALE: dict[JudgeInput, tuple[float, float]] = {
    "-1..1": (127.5, 127.5),
    "0..1": (0.0, 255.0),
    "0..255": (0.0, 1.0),
}
"""Offset and divisor of 8-bit RGB."""


class FaceEncoder(Protocol):
    """Interface of identity encoders."""

    def embed(self, crops: Float[Tensor, "n 3 112 112"]) -> Float[Tensor, "n e"]:
        """Unit vectors of crops aligned by `identity_crop`, RGB as floats from 0 to 255."""
        ...


class OwnEncoder:
    """The embedded identity encoder."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.network = load_identity(device)

    def embed(self, crops: Float[Tensor, "n 3 112 112"]) -> Float[Tensor, "n e"]:
        """See `FaceEncoder.embed`."""
        return self.network(crops.to(self.device) / 255).cpu()


class OnnxEncoder:
    """A face recognition network: one input of aligned 112 px RGB crops, one vector per crop."""

    def __init__(self, path: pathlib.Path, scaling: JudgeInput) -> None:
        """Open the file.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            UnsupportedInputError: the file is missing, is no ONNX network, or has another input.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError(
                '--judge needs onnxruntime, which is not installed; install it with: pip install -e ".[train]"'
            ) from error
        if not path.is_file():
            raise UnsupportedInputError(f"The judge {path} does not exist; give an ONNX file.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no narrower base class
            raise UnsupportedInputError(
                f"onnxruntime cannot open the judge {path} ({_first_line(error)}); give a face recognition network as "
                ".onnx."
            ) from error
        inputs = self.session.get_inputs()
        shape = inputs[0].shape if inputs else []
        if len(inputs) != 1 or shape[1:] != [3, IDENTITY_CROP_PX, IDENTITY_CROP_PX]:
            raise UnsupportedInputError(
                f"The judge {path} has inputs {[each.shape for each in inputs]}, expected one of (n, 3, 112, 112)."
            )
        self.input, self.one_by_one = inputs[0].name, shape[0] == 1
        self.offset, self.divisor = _SCALE[scaling]

    def embed(self, crops: Float[Tensor, "n 3 112 112"]) -> Float[Tensor, "n e"]:
        """See `FaceEncoder.embed`."""
        scaled = ((crops - self.offset) / self.divisor).numpy()
        batches = [scaled[i : i + 1] for i in range(len(scaled))] if self.one_by_one else [scaled]
        vectors = np.concatenate([self.session.run(None, {self.input: batch})[0] for batch in batches])
        return torch.nn.functional.normalize(torch.from_numpy(vectors).flatten(1).float(), dim=1)


def aligned_crops(frames: list[Frame], meshes_px: list[Float[np.ndarray, "478 d"]]) -> Float[Tensor, "n 3 112 112"]:
    """Five-point aligned crops for encoders, RGB as floats from 0 to 255."""
    crops = [
        cut_crop(frame, identity_crop(mesh), IDENTITY_CROP_PX) for frame, mesh in zip(frames, meshes_px, strict=True)
    ]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
