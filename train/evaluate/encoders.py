"""Who judges identity: the embedded encoder, and an ONNX network that the reader trusts more."""

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
"""What is subtracted from 8-bit RGB, and what it is divided by then."""


class FaceEncoder(Protocol):
    """Unit vectors of faces."""

    def embed(self, crops: Float[Tensor, "n 3 112 112"]) -> Float[Tensor, "n e"]:
        """`crops`: 8-bit RGB values as floats, 0 to 255, aligned by `identity_crop`."""
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
    """Any face recognition network of the usual kind: one input of aligned 112 px RGB crops, one vector each out."""

    def __init__(self, path: pathlib.Path, scaling: JudgeInput) -> None:
        """Open the file.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            UnsupportedInputError: no such file, no ONNX network, or one with another input.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError(
                '--judge runs on onnxruntime, which is not installed; install it with: pip install -e ".[train]"'
            ) from error
        if not path.is_file():
            raise UnsupportedInputError(f"The judge {path} does not exist; give an ONNX file.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors share no base but this one
            raise UnsupportedInputError(
                f"The judge {path} is no ONNX network that onnxruntime can open ({_first_line(error)}); give a face "
                "recognition network as .onnx."
            ) from error
        inputs = self.session.get_inputs()
        shape = inputs[0].shape if inputs else []
        if len(inputs) != 1 or shape[1:] != [3, IDENTITY_CROP_PX, IDENTITY_CROP_PX]:
            raise UnsupportedInputError(
                f"The judge {path} takes {[each.shape for each in inputs]}; one input of (n, 3, 112, 112) is needed."
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
    """Five-point aligned crops with 8-bit values as floats: what every encoder sees."""
    crops = [
        cut_crop(frame, identity_crop(mesh), IDENTITY_CROP_PX) for frame, mesh in zip(frames, meshes_px, strict=True)
    ]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
