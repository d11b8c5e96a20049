"""Networks that measure, each with name and sha256, and the measures left out for want of one."""

import dataclasses
import pathlib

import torch

from reenact.hub.loading import load_tracker
from reenact.perception.tracking import Tracker
from reenact.weights import WEIGHTS_NAME, embedded_weights
from train.evaluate.encoders import FaceEncoder, OnnxEncoder, OwnEncoder
from train.evaluate.perceptual import Inception, Lpips, find_backbone, find_inception, sha256_of
from train.evaluate.settings import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
    """Loaded once a process."""

    tracker: Tracker
    encoders: dict[str, FaceEncoder]
    """By `Metric.key` of the similarity they give."""
    lpips: Lpips | None
    inception: Inception | None


def load_networks(settings: Settings, device: torch.device) -> Networks:
    """All that the settings ask for and the machine has.

    Raises:
        UnsupportedInputError: a file given is not what it should be.
        MissingDependencyError: a file was given, but its library is not installed.
    """
    encoders: dict[str, FaceEncoder] = {"csim": OwnEncoder(device)}
    if settings.judge is not None:
        encoders["csim_judge"] = OnnxEncoder(settings.judge, settings.judge_input)
    backbone, inception = find_backbone(settings.lpips_weights), find_inception(settings.inception)
    return Networks(
        tracker=load_tracker(device=device),
        encoders=encoders,
        lpips=None if backbone is None else Lpips(backbone, device),
        inception=None if inception is None else Inception(inception, device),
    )


def describe_networks(settings: Settings) -> dict[str, dict[str, str]]:
    """Role -> name and sha256 of the weights."""
    facts = {role: _embedded(f"perception/{role}") for role in ("detector", "tracker", "identity")}
    facts["morphable"] = _embedded("geometry")
    if settings.judge is not None:
        facts["judge"] = _file(settings.judge) | {"input": settings.judge_input}
    backbone, inception = find_backbone(settings.lpips_weights), find_inception(settings.inception)
    if backbone is not None:
        facts["lpips"] = _file(backbone)
    if inception is not None:
        facts["inception"] = _file(inception)
    return facts


def left_out(settings: Settings) -> dict[str, str]:
    """`Metric.key` -> why it is not measured; never another measure under its name."""
    reasons = {}
    if find_backbone(settings.lpips_weights) is None:
        reasons["lpips"] = "no backbone weights (--lpips-weights): the lpips library holds only its last layers"
    if find_inception(settings.inception) is None:
        reasons["fid"] = "no Inception weights (--inception)"
    if settings.judge is None:
        reasons["csim_judge"] = "no judge (--judge)"
    if settings.protocol == "cross":
        why = "cross-reenactment has no real picture of the result"
        reasons |= dict.fromkeys(("ssim", "psnr_db", "l1", "mse", "lpips", "akd_px", "ace_px"), why)
    else:
        reasons["lsim"] = "needs a third person (--protocol cross)"
    if settings.profiled:
        reasons["lpips"] = "knows no pictures of which a part is made up"
        reasons |= dict.fromkeys(("fid", "frechet_identity"), "rendered pictures are no set to compare with")
    else:
        why = "needs pictures whose geometry is known (--profiled)"
        reasons |= dict.fromkeys(("akd_known_px", "pose_known_deg"), why)
        reasons["csim_share"] = "is told by direction and yaw (--profiled)"
    if settings.protocol == "large-pose":
        reasons["jitter_px"] = "pairs are single frames (--protocol self or cross)"
    return reasons


def _embedded(name: str) -> dict[str, str]:
    return {"name": f"checkpoints/{name}", "sha256": sha256_of(embedded_weights(name) / WEIGHTS_NAME)}


def _file(path: pathlib.Path) -> dict[str, str]:
    return {"name": path.name, "sha256": sha256_of(path)}
