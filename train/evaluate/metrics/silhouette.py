"""How the person's and the head's outlines compare with those of the true frame, from classes of a face parser."""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from reenact.geometry.landmarks import FACE_OVAL
from reenact.perception.parser import PARSER_CLASSES

HEAD = tuple(PARSER_CLASSES.index(name) for name in ("face", "hair"))
SLACK_PX = 2
"""Distance from the true frame's head, in pixels of the classes, within which nothing counts as left behind."""

Classes = UInt8[Tensor, "n s s"]


def person_of(classes: Classes) -> Bool[Tensor, "n s s"]:
    """Everything but background."""
    return classes != PARSER_CLASSES.index("background")


def head_of(classes: Classes) -> Bool[Tensor, "n s s"]:
    """Face and hair."""
    return torch.isin(classes, torch.tensor(HEAD, dtype=classes.dtype, device=classes.device))


def face_oval(mesh_px: Float[Tensor, "n 478 3"], picture_px: int, side: int) -> Bool[Tensor, "n {side} {side}"]:
    """Inside the outline of the mesh.

    Args:
        mesh_px: in pixels of a picture.
        picture_px: side of that picture.
        side: of the result.
    """
    rings = (mesh_px[:, list(FACE_OVAL), :2].cpu().numpy() * (side / picture_px) - 0.5).round().astype(np.int32)
    masks = [cv2.fillPoly(np.zeros((side, side), np.uint8), [ring], (1,)) for ring in rings]
    return torch.from_numpy(np.stack(masks)).to(mesh_px.device).bool()


def overlap(
    first: Bool[Tensor, "n s s"], second: Bool[Tensor, "n s s"], where: Bool[Tensor, "n s s"]
) -> Float[Tensor, "n"]:
    """Intersection over union of two areas among the pixels `where`, 0 to 1; 1 if both are empty there."""
    both, either = ((each & where).sum((1, 2)) for each in (first & second, first | second))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def old_head_percent(result: Classes, truth: Classes, source: Classes) -> Float[Tensor, "n"]:
    """Largest connected piece of the source's head that is still there, in per cent of the crop.

    A pixel counts if it is head in the result and in the source, and more than `SLACK_PX` away from the head of the
    true frame. Pixels are connected through sides and corners.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * SLACK_PX + 1, 2 * SLACK_PX + 1))
    near = np.stack([cv2.dilate(mask, kernel) for mask in head_of(truth).byte().cpu().numpy()])
    left = (head_of(result) & head_of(source)).byte().cpu().numpy() & (1 - near)
    largest = [cv2.connectedComponentsWithStats(mask)[2][1:, cv2.CC_STAT_AREA].max(initial=0) for mask in left]
    return torch.tensor(largest, dtype=torch.float32) * (100 / truth[0].numel())
