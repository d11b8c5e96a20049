"""The face detector: a whole picture of any size -> boxes of faces.

    picture -> /2 -> /4 -> C8 -> C16 -> C32         C: stages; one third of the picture's size is scanned as well
                            |     |      |
                           P8 <- P16 <- P32 -> per cell: score, centre offset, log size

An anchor-free detector (one prediction per cell; Tian et al., "FCOS", 2019; Zhou et al., "Objects as Points", 2019).
A box is the bounding box of the face mesh, forehead to chin without hair, so that the tracker's crop follows from it.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from reenact.media.frame import Frame
from reenact.ops.fold import fold_batch_norms
from reenact.perception.layers import Stage, conv_bn

STRIDES = (8, 16, 32)
"""Pixels between neighbouring cells of each level."""

SIZE_OVER_STRIDE = 3.0
"""Side of a box, in strides, whose predicted log size is 0."""

COARSE_FACTOR = 3
"""The picture is scanned a second time at this fraction of its size, for faces that fill it."""

PAD_VALUE = 0.5
"""Grey around the picture; 0 for the network, like its zero padding."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """Sizes of the detector network and of the search."""

    stem: tuple[int, int] = (16, 32)
    """Channels at 1/2 and at 1/4 of the picture."""
    widths: tuple[int, int, int] = (48, 64, 96)
    """Channels of the stages at strides 8, 16 and 32."""
    blocks: tuple[int, int, int] = (1, 2, 1)
    """Residual blocks of these stages."""
    neck: int = 48
    """Channels of the merged levels and of their heads."""
    scan_px: int = 640
    """Long side to which pictures are resized; a 40 px face of a full-HD picture is 13 px there."""
    rescan_px: int = 1280
    """Long side of a second try, for larger pictures in which nothing was found."""
    max_enlargement: float = 2.0
    """Small pictures are enlarged by no more than this."""
    min_score: float = 0.55
    """Detections below it are dropped; chosen on validation pictures without a face."""
    small_face_px: float = 40.0
    """Faces smaller than this in the picture are too small to reenact, and are reported only when they are certain."""
    small_min_score: float = 0.8
    """What they must score instead: most false alarms are small."""
    nms_iou: float = 0.35
    """Of two boxes that overlap more than this, the less certain one is dropped."""


class DetectorOutput(NamedTuple):
    """One prediction per cell, all levels one after the other, row by row."""

    score_logit: Float[Tensor, "b n"]
    boxes: Float[Tensor, "b n 4"]
    """x0, y0, x1, y1 in pixels of the network's input."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detections:
    """Faces of one picture, largest first."""

    boxes_px: Float[np.ndarray, "n 4"]
    """x0, y0, x1, y1 in pixels of the picture; may reach over its border where the face does."""
    scores: Float[np.ndarray, "n"]
    """Probability that the box holds a face."""

    def __len__(self) -> int:
        return len(self.scores)


class DetectorNetwork(nn.Module):
    """Scores and boxes of a picture whose sides are multiples of 32."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter = config.stem
        self.stem = nn.Sequential(
            conv_bn(3, half, stride=2), conv_bn(half, quarter, stride=2), conv_bn(quarter, quarter)
        )
        widths = (quarter, *config.widths)
        self.stages = nn.ModuleList(Stage(widths[i], widths[i + 1], config.blocks[i]) for i in range(3))
        self.laterals = nn.ModuleList(conv_bn(width, config.neck, kernel=1) for width in config.widths)
        self.heads = nn.ModuleList(_make_head(config.neck) for _ in STRIDES)

    def forward(self, rgb: Float[Tensor, "b 3 h w"]) -> DetectorOutput:
        """`rgb`: RGB in [0, 1]."""
        x = self.stem(rgb * 2 - 1)
        levels: list[Tensor] = []
        for stage, lateral in zip(self.stages, self.laterals, strict=True):
            x = stage(x)
            levels.append(lateral(x))
        for fine, coarse in ((1, 2), (0, 1)):
            levels[fine] = levels[fine] + nn.functional.interpolate(levels[coarse], scale_factor=2.0, mode="nearest")
        maps = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        raw = torch.cat([level.flatten(2) for level in maps], dim=2).transpose(1, 2).float()
        points, strides = cell_points(rgb.shape[2], rgb.shape[3], device=rgb.device)
        return DetectorOutput(score_logit=raw[..., 0], boxes=decode_boxes(raw[..., 1:], points, strides))


def _make_head(channels: int) -> nn.Sequential:
    last = nn.Conv2d(channels, 5, 1)
    nn.init.normal_(last.weight, std=0.01)
    # a face in 1 % of the cells: the focal loss starts calm
    last.bias = nn.Parameter(torch.tensor([-4.6, 0.0, 0.0, 0.0, 0.0]))
    return nn.Sequential(conv_bn(channels, channels), conv_bn(channels, channels), last)


def cell_points(
    height: int, width: int, *, device: torch.device | None = None
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n"]]:
    """Centres (x, y) in pixels and strides of all cells, in the order of `DetectorOutput`."""
    points: list[Tensor] = []
    strides: list[Tensor] = []
    for stride in STRIDES:
        y, x = torch.meshgrid(
            torch.arange(height // stride, device=device, dtype=torch.float32),
            torch.arange(width // stride, device=device, dtype=torch.float32),
            indexing="ij",
        )
        points.append((torch.stack([x, y], dim=-1).flatten(0, 1) + 0.5) * stride)
        strides.append(torch.full((x.numel(),), float(stride), device=device))
    return torch.cat(points), torch.cat(strides)


def decode_boxes(
    raw: Float[Tensor, "*b n 4"], points: Float[Tensor, "n 2"], strides: Float[Tensor, "n"]
) -> Float[Tensor, "*b n 4"]:
    """Centre offset in strides and log size -> x0, y0, x1, y1 in pixels."""
    centre = points + raw[..., :2] * strides[:, None]
    size = SIZE_OVER_STRIDE * strides[:, None] * raw[..., 2:].clamp(-4, 4).exp()
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def box_overlaps(
    first: Float[Tensor, "n 4"], second: Float[Tensor, "m 4"]
) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
    """Intersection over union, and intersection over the smaller of the two."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area_first = (first[:, 2:] - first[:, :2]).clamp(min=0).prod(-1)[:, None]
    area_second = (second[:, 2:] - second[:, :2]).clamp(min=0).prod(-1)[None]
    union = (area_first + area_second - shared).clamp(min=1e-9)
    return shared / union, shared / torch.minimum(area_first, area_second).clamp(min=1e-9)


def suppress_overlaps(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, "n"], *, max_iou: float, max_inside: float = 0.8
) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: x0, y0, x1, y1.
        scores: the box with the higher one stays.
        max_iou: largest allowed intersection over union.
        max_inside: largest share of the smaller box that may lie in the larger one: drops an eye found in a face.

    Returns:
        Indices of the boxes that stay, by falling score.
    """
    iou, inside = box_overlaps(boxes, boxes)
    clashes = (iou > max_iou) | (inside > max_inside)
    alive = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    kept: list[int] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if alive[i]:
            kept.append(i)
            alive &= ~clashes[i]
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)


class Detector:
    """Finds faces in whole pictures."""

    def __init__(self, network: DetectorNetwork, device: torch.device | str = "cpu") -> None:
        self.config = network.config
        self.device = torch.device(device)
        folded = fold_batch_norms(network).requires_grad_(False)
        self.network = folded.to(self.device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def detect(self, frame: Frame, *, min_score: float | None = None) -> Detections:
        """Faces in `frame`, largest first.

        Args:
            frame: RGB picture of any size.
            min_score: replaces both of the config's thresholds.
        """
        threshold = self.config.min_score if min_score is None else min_score
        long_side = max(frame.shape[:2])
        scale = min(self.config.scan_px / long_side, self.config.max_enlargement)
        boxes, scores = self._scan(frame, (scale, scale / COARSE_FACTOR), threshold)
        if len(scores) == 0 and long_side > self.config.scan_px:
            boxes, scores = self._scan(frame, (min(self.config.rescan_px / long_side, 1.0),), threshold)
        if min_score is None:
            small = (boxes[:, 2:] - boxes[:, :2]).amax(-1) < self.config.small_face_px
            certain = scores >= torch.where(small, self.config.small_min_score, threshold)
            boxes, scores = boxes[certain], scores[certain]
        order = (boxes[:, 2:] - boxes[:, :2]).prod(-1).argsort(descending=True, stable=True)
        return Detections(boxes_px=boxes[order].cpu().numpy(), scores=scores[order].cpu().numpy())

    def _scan(
        self, frame: Frame, scales: tuple[float, ...], threshold: float
    ) -> tuple[Float[Tensor, "n 4"], Float[Tensor, "n"]]:
        """Boxes in frame pixels above `threshold`, found at several scales, without doubles."""
        boxes: list[Tensor] = []
        scores: list[Tensor] = []
        for scale in scales:
            rgb, frame_over_input = self._resized(frame, scale)
            out = self.network(rgb)
            score = out.score_logit[0].sigmoid()
            chosen = (score >= threshold).nonzero()[:, 0]
            chosen = chosen[score[chosen].argsort(descending=True, stable=True)[:500]]
            boxes.append(out.boxes[0, chosen] * frame_over_input)
            scores.append(score[chosen])
        all_boxes, all_scores = torch.cat(boxes), torch.cat(scores)
        kept = suppress_overlaps(all_boxes, all_scores, max_iou=self.config.nms_iou)
        return all_boxes[kept], all_scores[kept]

    def _resized(self, frame: Frame, scale: float) -> tuple[Float[Tensor, "1 3 h w"], Tensor]:
        """The picture at `scale`, padded to multiples of the largest stride, and frame pixels per input pixel."""
        height, width = (max(round(side * scale), 1) for side in frame.shape[:2])
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        largest = STRIDES[-1]
        padded = torch.full((1, -(-height // largest) * largest, -(-width // largest) * largest, 3), PAD_VALUE)
        padded[0, :height, :width] = torch.from_numpy(small).float() / 255
        ratio = torch.tensor([frame.shape[1] / width, frame.shape[0] / height] * 2)
        return padded.permute(0, 3, 1, 2).to(self.device), ratio.to(self.device)
