"""GFPGAN v1.4 (Wang et al., 2021) over the faces that a system has drawn; the network comes from spandrel.

crop, mesh ── FFHQ's alignment ──▶ face at 512 px ── network ──▶ restored face ── back, by a soft mask ──▶ crop
"""

import importlib
import math
import pathlib
import pickle
import time
import warnings
import zipfile
from typing import Any, cast

import cv2
import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reenact.errors import CheckpointError, ConfigError, MissingDependencyError, one_line
from reenact.geometry.landmarks import FACE_OVAL, LEFT_EYE_RING, RIGHT_EYE_RING
from reenact.media.probe import existing_file
from reenact.portrait.compose import Rendered
from reenact.restore.weights import fetch_weights

SIDE_PX = 512
"""Of the network."""
_MOUTH_CORNERS = (61, 291)
_SHRUNK, _SOFT = 0.04, 0.05
"""By which the face's oval is drawn smaller, and the width over which it fades, over the network's side."""
_BROKEN_FILE_ERRORS = (
    *(OSError, RuntimeError, ValueError, EOFError, KeyError, AttributeError, TypeError),
    *(pickle.UnpicklingError, zipfile.BadZipFile, SafetensorError),
)
"""Of files that are no weights."""


class Restorer:
    """Restores faces in result crops, one at a time."""

    def __init__(self, network: nn.Module, strength: float = 1.0) -> None:
        """Prepare.

        Args:
            network: from faces of 512 px, -1 to 1, to restored ones.
            strength: 0 leaves the pixels as they are, 1 takes the restored ones.

        Raises:
            ConfigError: the strength is out of range.
        """
        check_strength(strength)
        self._network, self._strength = network.eval().requires_grad_(False), strength
        self._device = next(iter([*network.parameters(), torch.zeros(0)])).device

    def with_strength(self, strength: float) -> "Restorer":
        """The same network with another strength; raises a `ConfigError` if that is out of range."""
        return Restorer(self._network, strength)

    @torch.inference_mode()
    def measure(self) -> float:
        """Seconds that one face takes here."""
        face = torch.zeros(1, 3, SIDE_PX, SIDE_PX, device=self._device)
        start = time.perf_counter()
        self._network(face).cpu()
        return time.perf_counter() - start

    @torch.inference_mode()
    def __call__(self, rendered: Rendered, mesh: Float[Tensor, "f 478 3"]) -> Rendered:
        """The crops with restored faces.

        Args:
            rendered: f crops.
            mesh: of the faces in them, in half-sides of the crop.
        """
        if self._strength == 0:
            return rendered
        rgb, changed = rendered.rgb.clone(), rendered.changed.clone()
        side = rgb.shape[-1]
        points = ((mesh[..., :2] + 1) * (side / 2)).double().cpu().numpy()
        for row, face in enumerate(points):
            crop = np.ascontiguousarray(rgb[row].permute(1, 2, 0).float().cpu().numpy())
            restored, mask = self._restore(crop, face)
            share = torch.from_numpy(mask * self._strength).to(rgb)
            rgb[row] = torch.lerp(rgb[row], torch.from_numpy(restored).to(rgb).permute(2, 0, 1), share)
            changed[row, 0] = torch.maximum(changed[row, 0], torch.from_numpy(mask).to(changed))
        return Rendered(rgb=rgb, changed=changed)

    def _restore(
        self, crop: Float[np.ndarray, "s s 3"], points: Float[np.ndarray, "478 2"]
    ) -> tuple[Float[np.ndarray, "s s 3"], Float[np.ndarray, "s s"]]:
        """The restored face in the crop's pixels, and the share of it."""
        matrix = align_ffhq(points)
        scale, size = float(np.hypot(*matrix[0, :2])), crop.shape[1::-1]
        small = cv2.GaussianBlur(crop, (0, 0), 0.4 / scale) if scale < 0.6 else crop  # fewer pixels than the crop's
        face = cv2.warpAffine(small, matrix, (SIDE_PX, SIDE_PX), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        given = torch.from_numpy(face).permute(2, 0, 1)[None].clamp(0, 1).contiguous() * 2 - 1
        drawn = (self._network(given.to(self._device))[0].float().cpu().clamp(-1, 1) + 1) / 2
        oval = (points[list(FACE_OVAL)] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        oval = oval.mean(0) + (oval - oval.mean(0)) * (1 - 2 * _SHRUNK)
        mask = cv2.fillPoly(np.zeros((SIDE_PX, SIDE_PX), np.float32), [np.rint(oval).astype(np.int32)], 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), _SOFT / 2 * SIDE_PX)
        layer = np.dstack([drawn.permute(1, 2, 0).numpy(), mask])
        flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_CUBIC if scale < 1 else cv2.INTER_AREA)
        back = cv2.warpAffine(layer, matrix, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
        return back[..., :3].clip(0, 1), back[..., 3].clip(0, 1)


def check_strength(strength: float) -> None:
    """Raise a `ConfigError` unless the strength is from 0 to 1."""
    if not 0 <= strength <= 1:  # also refuses NaN
        raise ConfigError(f"The strength of the restoration is {strength:g}; give a number from 0 to 1.")


def align_ffhq(points: Float[np.ndarray, "478 2"]) -> Float[np.ndarray, "2 3"]:
    """Affine matrix from a picture to a face of 512 px, aligned as those that the network has learned from.

    Karras et al., 2019, appendix: a square in the direction of the eyes, about twice their distance or 1.8 times the
    distance from eyes to mouth to each side, around a point a tenth of the way from the eyes to the mouth.
    """
    left, right = (points[list(ring)].mean(0) for ring in (RIGHT_EYE_RING, LEFT_EYE_RING))  # as seen
    mouth = points[list(_MOUTH_CORNERS)].mean(0)
    eyes, across, down = (left + right) / 2, right - left, mouth - (left + right) / 2
    along = across - np.array([-down[1], down[0]])
    along *= max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down)) / max(float(np.hypot(*along)), 1e-6)
    half = max(float(np.hypot(*along)), 1e-3)
    scale = SIDE_PX / 2 / half
    cos, sin = along / half * scale
    linear = np.array([[cos, sin], [-sin, cos]])
    centre = eyes + 0.1 * down
    return np.column_stack([linear, SIDE_PX / 2 - linear @ centre])


def load_restorer(
    weights: str | pathlib.Path | None = None,
    *,
    strength: float = 1.0,
    device: torch.device | str = "cpu",
    progress: Any = None,
) -> Restorer:
    """GFPGAN with its weights.

    Args:
        weights: file of the weights (.pth or .safetensors); fetched once if None.
        strength: see `Restorer`.
        device: where it runs.
        progress: see `fetch_weights`.

    Raises:
        ConfigError: the strength is out of range.
        MissingDependencyError: spandrel is not installed.
        CheckpointError: the weights cannot be had or used.
    """
    check_strength(strength)
    try:
        spandrel: Any = importlib.import_module("spandrel")
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingDependencyError(
            f'Restoration needs the library spandrel ({one_line(error)}); run `pip install "reenact[restore]"`.'
        ) from error
    path = fetch_weights(**({} if progress is None else {"progress": progress})) if weights is None else weights
    network = _Network(_load_network(spandrel, existing_file(path)))
    return Restorer(network.to(device), strength)


class _Network(nn.Module):
    """GFPGAN with fixed noise: a frame's result depends on nothing else."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, face: Tensor) -> Tensor:
        return self.network(face, return_rgb=False, randomize_noise=False)[0]


def _load_network(spandrel: Any, path: pathlib.Path) -> nn.Module:
    try:
        if path.suffix.lower() == ".safetensors":
            loaded: Any = load_file(path)
        else:  # a pickle, of which only tensors and plain containers are read
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of other pickle protocols
                loaded = torch.load(path, map_location="cpu", weights_only=True)
    except _BROKEN_FILE_ERRORS as error:
        # torch's own text advises to let the file run code
        raise CheckpointError(
            f"{path} is not a whole file of weights, or holds more than tensors; fetch GFPGANv1.4.pth again."
        ) from error
    for key in ("params_ema", "params"):
        if isinstance(loaded, dict) and key in loaded:
            loaded = cast(dict[str, Any], loaded)[key]
    state: dict[str, Any] = cast(dict[str, Any], loaded) if isinstance(loaded, dict) else {}
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no weights of a network; give GFPGANv1.4.pth.")
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise CheckpointError(f"{path} has NaN or infinite weights; fetch it again.")
    try:
        found = spandrel.ModelLoader().load_from_state_dict(state)
    except (*_BROKEN_FILE_ERRORS, spandrel.UnsupportedModelError) as error:
        raise CheckpointError(
            f"{path} does not hold GFPGAN as of versions 1.2 to 1.4 ({one_line(error)}); give GFPGANv1.4.pth."
        ) from error
    if found.architecture.id != "GFPGAN":
        raise CheckpointError(f"{path} holds a network of the kind {found.architecture.id}; give GFPGANv1.4.pth.")
    return found.model


def time_text(seconds: float, faces: int) -> str:
    """How long restoration will take, in words."""
    total = seconds * faces
    each = f"{seconds:.1f} s a face" if seconds < 10 else f"{seconds:.0f} s a face"
    if faces == 1:
        return f"Restoring takes about {each}."
    whole = f"{math.ceil(total / 60)} min" if total >= 90 else f"{max(total, 1):.0f} s"
    return f"Restoring takes about {each}: {whole} for {faces} frames, besides drawing."
