"""What the face parser and the perceptual network read in a picture, and how results compare with true frames there."""

import functools

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.landmarks import eye_openings
from reenact.media.frame import Frame
from reenact.perception.needs import parse_squares
from train.evaluate import metrics
from train.evaluate.metrics import parts, silhouette
from train.evaluate.networks import Networks
from train.losses.perceptual import feature_distance, layer_gaps, mean_gap

RIM_PX = 8
"""Reach of the rim to both sides of the head's outline, pixels at 256."""
TURNED_DEG = (10.0, 30.0)
"""Turns between source and true frame that are reported on their own."""
OLD_HEAD_PERCENT = 0.1
"""Largest piece of old head, per cent of the crop, that passes."""


class Look:
    """Readings of a picture, made when they are first asked for."""

    def __init__(self, frame: Frame, networks: Networks, device: torch.device) -> None:
        self.networks = networks
        self.rgb = torch.from_numpy(frame).to(device).permute(2, 0, 1)[None].float() / 255

    @functools.cached_property
    def classes(self) -> silhouette.Classes:
        """Class of each place by the embedded parser."""
        return parse_squares(self.networks.parser, self.rgb)

    @functools.cached_property
    def layers(self) -> list[Tensor]:
        """First features of EfficientNet-Lite0; [] without its weights."""
        return [] if self.networks.efficientnet is None else self.networks.efficientnet(self.rgb)

    @functools.cached_property
    def pooled(self) -> Float[np.ndarray, "1280"] | None:
        """Its last features, averaged over places; None without its weights."""
        if self.networks.efficientnet is None:
            return None
        return self.networks.efficientnet.pool(self.layers[-1])[0].cpu().numpy()


def compare_outlines(
    result: Look, truth: Look, source: Look, mesh_px: Float[Tensor, "478 3"] | None, turn_deg: float
) -> dict[str, float]:
    """Silhouette and old head.

    Args:
        result: the drawn picture.
        truth: the true frame.
        source: the source.
        mesh_px: of the true frame, whose face does not count; None if it has no face.
        turn_deg: angle between the heads of source and true frame.
    """
    percent = float(silhouette.old_head_percent(result.classes, truth.classes, source.classes))
    values = {"old_head_percent": percent, "old_head_share": float(percent > OLD_HEAD_PERCENT)}
    if mesh_px is None:
        return values
    picture_px, side = truth.rgb.shape[-1], truth.classes.shape[-1]
    where = ~silhouette.face_oval(mesh_px[None].to(truth.classes.device), picture_px, side)
    for name, area in (("silhouette", silhouette.person_of), ("head", silhouette.head_of)):
        iou = float(silhouette.overlap(area(result.classes), area(truth.classes), where))
        values[f"{name}_iou"] = iou
        if TURNED_DEG[0] <= turn_deg <= TURNED_DEG[1]:
            values[f"{name}_iou_turned"] = iou
    return values


def compare_detail(result: Look, truth: Look) -> dict[str, float]:
    """Features and sharpness of the whole picture and of the rim of the head."""
    values: dict[str, float] = {}
    ring = rim_of(truth)
    gaps = layer_gaps(result.layers, truth.layers)
    if gaps:
        values["feature_distance"] = float(mean_gap(gaps))
    if bool(ring.any()):
        values["rim_sharpness"] = float(metrics.sharpness_ratio(result.rgb, truth.rgb, ring))
        if gaps:
            values["rim_features"] = float(mean_gap(gaps, ring))
    return values


def rim_of(truth: Look) -> Float[Tensor, "1 s s"]:
    """1 within `RIM_PX` of the outline of the true frame's head, 0 elsewhere; the crop's edge is no outline."""
    head, side = silhouette.head_of(truth.classes)[0].byte().cpu().numpy(), truth.rgb.shape[-1]
    reach = round(RIM_PX * len(head) / side)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    ring = cv2.dilate(head, kernel) - cv2.erode(head, kernel)
    grown = cv2.resize(ring, (side, side), interpolation=cv2.INTER_NEAREST)
    return torch.from_numpy(grown).to(truth.rgb)[None]


def compare_parts(
    result: Look, truth: Look, meshes: tuple[Float[Tensor, "478 3"], Float[Tensor, "478 3"]], source: Tensor | None
) -> dict[str, float]:
    """Mouth and eyes, each picture's aligned by its own mesh.

    Args:
        result: the drawn picture.
        truth: the true frame.
        meshes: of result and true frame.
        source: the source's mesh; None if it has no face.
    """
    own, true = (mesh[None].to(truth.rgb.device) for mesh in meshes)
    values: dict[str, float] = {}
    drawn, real = parts.part_crops(result.rgb, own), parts.part_crops(truth.rgb, true)
    for name, first, second in (
        ("mouth", drawn[0], real[0]),
        ("eye", torch.cat(drawn[1:]), torch.cat(real[1:])),
    ):
        values[f"{name}_sharpness"] = float(metrics.sharpness_ratio(first, second).mean())
        if (network := result.networks.efficientnet) is not None:
            values[f"{name}_features"] = float(feature_distance(network, first, second).mean())
    if float(parts.lip_gap(true)) > parts.OPEN_MOUTH:
        (luma, teeth), (true_luma, true_teeth) = (
            parts.look_inside(look.rgb, mesh)[0].tolist() for look, mesh in ((result, own), (truth, true))
        )
        values["mouth_luma"] = abs(luma - true_luma)
        if true_teeth > parts.TEETH_TRUE:
            values["teeth_shown"] = float(teeth > parts.TEETH_RESULT)
    return values | compare_lids(own, true, source)


def compare_lids(
    own: Float[Tensor, "1 478 3"], true: Float[Tensor, "1 478 3"], source: Tensor | None
) -> dict[str, float]:
    """Openings of both eyes in result, true frame and source, and what became of blinks and winks."""
    found, wanted = eye_openings(own), eye_openings(true)
    values = dict(zip(("eye_right", "eye_left"), found[0].tolist(), strict=True))
    values |= dict(zip(("eye_right_true", "eye_left_true"), wanted[0].tolist(), strict=True))
    winking = parts.one_sided(wanted)
    if bool(winking.any()):
        values["winks_kept"] = float((parts.one_sided(found) == winking).all())
    if source is not None:
        before = eye_openings(source[None].to(true.device))
        values |= dict(zip(("eye_right_source", "eye_left_source"), before[0].tolist(), strict=True))
        if float(wanted.mean()) < parts.SHUT and float(before.mean()) > parts.AJAR:
            values["blink_gap"] = abs(float(found.mean() - wanted.mean()))
    return values
