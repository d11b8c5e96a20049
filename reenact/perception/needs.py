"""What systems need of a source besides its pixels: classes of its places, a code of the face."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from reenact.ops.warp import resize
from reenact.perception.identity import IDENTITY_CROP_PX, identity_crop
from reenact.perception.parser import PARSER_CROP_PX
from reenact.perception.tracking import cut_crop


@torch.inference_mode()
def parse_squares(parser: nn.Module, rgb: Float[Tensor, "f 3 s s"]) -> UInt8[Tensor, "f i i"]:
    """The class of each place in the squares around faces, an index of `PARSER_CLASSES`; i is `PARSER_CROP_PX`."""
    return resize(_logits(parser, rgb), PARSER_CROP_PX).argmax(1).to(torch.uint8)


@torch.inference_mode()
def face_codes(
    encoder: nn.Module, rgb: Float[Tensor, "f 3 s s"], mesh_px: Float[Tensor, "f 478 3"]
) -> Float[Tensor, "f e"]:
    """The identity encoder's codes of faces, of unit length.

    Args:
        encoder: an `IdentityNetwork`.
        rgb: squares around the faces, in [0, 1].
        mesh_px: of the faces, in their pixels.
    """
    pixels = (rgb.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    crops = [
        cut_crop(np.ascontiguousarray(square), identity_crop(mesh), IDENTITY_CROP_PX)
        for square, mesh in zip(pixels, mesh_px.cpu().numpy(), strict=True)
    ]
    return encoder(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(rgb.device).float() / 255)


def _logits(parser: nn.Module, rgb: Float[Tensor, "f 3 s s"]) -> Float[Tensor, "f c i i"]:
    return parser(resize(rgb, PARSER_CROP_PX).clamp(0, 1))
