"""LPIPS and Inception features, from libraries that come without backbone weights.

The weights are searched in the given place, else in torch's download folder. Nothing is downloaded; a measure whose
weights are missing is left out and named in the report.
"""

import pathlib
import pickle
import warnings
from collections.abc import Iterable

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reenact.errors import MissingDependencyError, UnsupportedInputError

BACKBONES = ("alexnet", "vgg16", "squeezenet1_1")
"""torchvision's names, in the order in which a folder is searched."""
INCEPTION_PATTERN = "weights-inception-2015-12-05-*.pth"
"""File name of torch-fidelity's weights."""

_BROKEN = (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, LookupError, EOFError, OSError)
"""Errors while reading a file that is no state dict."""

_LPIPS_NAMES = {"alexnet": "alex", "vgg16": "vgg", "squeezenet1_1": "squeeze"}


def find_backbone(given: pathlib.Path | None) -> pathlib.Path | None:
    """Backbone weights of LPIPS: the given file, one in the given folder, or one that torch downloaded; else None.

    Raises:
        UnsupportedInputError: the given path does not exist, or is a folder without such a file.
    """
    patterns = [f"{name}*{suffix}" for name in BACKBONES for suffix in (".pth", ".safetensors")]
    return _find(given, patterns, "--lpips-weights", "torchvision's alexnet-*.pth, vgg16-*.pth or squeezenet1_1-*.pth")


def find_inception(given: pathlib.Path | None) -> pathlib.Path | None:
    """Inception weights of FID; searched like `find_backbone`.

    Raises:
        UnsupportedInputError: the given path does not exist, or is a folder without such a file.
    """
    return _find(given, [INCEPTION_PATTERN], "--inception", f"torch-fidelity's {INCEPTION_PATTERN}")


class Lpips:
    """Learned perceptual image patch similarity (Zhang et al., 2018), version 0.1."""

    def __init__(self, path: pathlib.Path, device: torch.device) -> None:
        """Build the network around backbone weights of torchvision.

        Raises:
            MissingDependencyError: the lpips library is not installed.
            UnsupportedInputError: the file is none of the three backbones.
        """
        try:
            import lpips
        except ImportError as error:
            raise _metrics_missing("LPIPS", "lpips") from error
        weights = read_tensors(path)
        self.backbone = recognise_backbone(weights, path)
        with warnings.catch_warnings():
            # lpips passes an argument that torchvision has renamed
            warnings.filterwarnings("ignore", category=UserWarning, module=r"torchvision\.models\._utils")
            network = lpips.LPIPS(net=_LPIPS_NAMES[self.backbone], pnet_rand=True, verbose=False)
        fill_slices(network.net, weights)
        self.device = device
        self.network = network.to(device).eval().requires_grad_(False)

    def __call__(self, first: Float[Tensor, "n 3 h w"], second: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
        """Distance of each pair of pictures in [0, 1]; 0 for equal ones."""
        return self.network(first.to(self.device), second.to(self.device), normalize=True).flatten()


class Inception:
    """Inception-V3's 2,048 features as torch-fidelity computes them (TensorFlow's resizing and weights)."""

    def __init__(self, path: pathlib.Path, device: torch.device) -> None:
        """Load the network.

        Raises:
            MissingDependencyError: torch-fidelity is not installed.
            UnsupportedInputError: the file does not fit it.
        """
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise _metrics_missing("FID", "torch-fidelity") from error
        read_tensors(path)  # checks the file: torch-fidelity would unpickle arbitrary objects
        try:
            network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(path))
        except (RuntimeError, ValueError) as error:
            raise UnsupportedInputError(
                f"{path} does not hold torch-fidelity's Inception weights; give its {INCEPTION_PATTERN}."
            ) from error
        self.device = device
        self.network = network.to(device)

    def __call__(self, frames: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2048"]:
        """Features of 8-bit pictures."""
        return self.network(frames.to(self.device))[0].float().cpu()


def read_tensors(path: pathlib.Path) -> dict[str, Tensor]:
    """State dict from a .safetensors or .pth file; only plain tensors are unpickled.

    Raises:
        UnsupportedInputError: the file holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN as error:
        raise UnsupportedInputError(f"{path} is not a file of plain weights; download it again.") from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UnsupportedInputError(f"{path} is not a state dict of tensors; give weights saved by torch.")
    return content


def recognise_backbone(weights: dict[str, Tensor], path: pathlib.Path) -> str:
    """Name of the backbone in `BACKBONES`, from its first layers.

    Raises:
        UnsupportedInputError: none of them.
    """
    first = weights.get("features.0.weight")
    shape = None if first is None else tuple(first.shape)
    if shape == (64, 3, 11, 11):
        return "alexnet"
    if shape == (64, 3, 3, 3):
        return "squeezenet1_1" if "features.3.squeeze.weight" in weights else "vgg16"
    raise UnsupportedInputError(f"{path} holds none of LPIPS's backbones ({', '.join(BACKBONES)}) of torchvision.")


def fill_slices(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy a backbone's feature layers into the slices of lpips, which keep the numbers of the layers.

    Raises:
        UnsupportedInputError: a layer is missing or has another shape.
    """
    own = network.state_dict()
    renamed = {name: f"features.{name.partition('.')[2]}" for name in own}
    wrong = [old for name, old in renamed.items() if old not in weights or weights[old].shape != own[name].shape]
    if wrong:
        raise UnsupportedInputError(f"The LPIPS backbone lacks {wrong[0]} in the expected shape; download it again.")
    network.load_state_dict({name: weights[old].float() for name, old in renamed.items()})


def _find(given: pathlib.Path | None, patterns: Iterable[str], option: str, what: str) -> pathlib.Path | None:
    if given is not None and given.is_file():
        return given
    if given is not None and not given.is_dir():
        raise UnsupportedInputError(f"{option} {given} does not exist; give a file or folder with {what}.")
    folder = given if given is not None else pathlib.Path(torch.hub.get_dir()) / "checkpoints"
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if given is not None and not found:
        raise UnsupportedInputError(f"{option} {given} is a folder without {what}.")
    return found[0] if found else None


def _metrics_missing(metric: str, library: str) -> MissingDependencyError:
    return MissingDependencyError(
        f'{metric} needs {library}, which is not installed; install it with: pip install -e ".[metrics]"'
    )
