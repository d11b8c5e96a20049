"""Features in which pictures are compared: VGG-19's where its weights are at hand, else the identity encoder's."""

import pathlib

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from reenact.errors import CheckpointError
from reenact.hub.checkpoint import load_weights, read_checkpoint, read_network_config
from reenact.perception.identity import IdentityConfig, IdentityNetwork
from reenact.perception.layers import fold_batch_norms
from reenact.weights import embedded_weights
from train.run.precision import computes_in_bf16

_VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))
"""Channels and convolutions of VGG-19's blocks, up to the first activation of the fifth."""

_VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Of the first activation of each block, as in pix2pixHD."""


class IdentityFeatures(nn.Module):
    """Stem and first stages of the embedded identity encoder: features at 1/2, 1/4 and 1/8 of the side."""

    name = "embedded identity encoder, stem and two stages"
    weights = (1.0, 1.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        checkpoint = read_checkpoint(embedded_weights("perception/identity"), model="identity")
        network = IdentityNetwork(read_network_config(checkpoint, IdentityConfig))
        load_weights(network, checkpoint.weights, where=checkpoint.folder)
        folded = fold_batch_norms(network)
        assert isinstance(folded, IdentityNetwork)
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
