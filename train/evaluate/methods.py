"""Methods to rank: systems, and two baselines without a network."""

import dataclasses
import pathlib
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.flow import mesh_flow
from reenact.geometry.matching import MatchedIdentity, match_identity, read_mesh_motion, split_identity
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.placement import to_half_sides
from reenact.hub.loading import load
from reenact.hub.names import resolve
from reenact.ops.warp import resize, warp
from reenact.portrait.painters import DrivingFaces
from reenact.systems.base import MotionMode, Reenactor
from reenact.types import FaceGeometry, FaceImage
from reenact.weights import WEIGHTS_NAME
from train.data.shards import sha256_of

BATCH = 8
"""Frames drawn at once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Driving:
    """f driving frames."""

    geometry: FaceGeometry
    neutral: FaceGeometry
    """The reference frame, f = 1."""
    mode: MotionMode
    pictures: DrivingFaces | None = None


class Method(Protocol):
    """Draws frames of a source from a driver's geometry."""

    label: str
    """Its row in the table."""
    facts: dict[str, Any]
    """For the report: kind, and the checkpoint of a system."""

    def encode(self, image: FaceImage, geometry: FaceGeometry) -> Any:
        """Encode a source, f = 1."""
        ...

    def draw(self, identity: Any, driving: Driving) -> Float[Tensor, "f 3 s s"]:
        """Results for f driving frames."""
        ...


class SystemMethod:
    """A reenactment system with its weights, driven as `reenact video` drives it."""

    def __init__(self, name: str, label: str, device: torch.device, *, painters: bool = True) -> None:
        """Load it, with the painters of mouths and eyes or without.

        Raises:
            CheckpointError: a system is unknown, or its weights cannot be used.
        """
        folder = resolve(name)
        self.label = label
        self.system: Reenactor[Any, Any, Any] = load(folder, device=device)
        if not painters:
            self.system.paint = None
        self.facts = {
            "kind": "system",
            "system": self.system.system,
            "checkpoint": name,
            "sha256": sha256_of(folder / WEIGHTS_NAME),
        }

    def encode(self, image: FaceImage, geometry: FaceGeometry) -> Any:
        """See `Method.encode`."""
        return self.system.encode_identity(image, geometry)

    def draw(self, identity: Any, driving: Driving) -> Float[Tensor, "f 3 s s"]:
        """See `Method.draw`."""
        motion, neutral = (self.system.read_motion(None, each) for each in (driving.geometry, driving.neutral))
        driven = self.system.retarget(identity, motion, neutral, driving.mode)
        return self.system.draw(identity, driven, driving.pictures).rgb


class CopySource:
    """Returns the source: the figures of a system that does nothing."""

    label = "copy of the source"

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"kind": "baseline"}

    def encode(self, image: FaceImage, geometry: FaceGeometry) -> Float[Tensor, "1 3 s s"]:
        """See `Method.encode`."""
        return image.rgb

    def draw(self, identity: Float[Tensor, "1 3 s s"], driving: Driving) -> Float[Tensor, "f 3 s s"]:
        """See `Method.draw`."""
        return identity.expand(len(driving.geometry), -1, -1, -1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarpedSource:
    """A source encoded by `MeshWarp`."""

    rgb: Float[Tensor, "1 3 s s"]
    mesh: Float[Tensor, "1 478 3"]
    matched: MatchedIdentity


class MeshWarp:
    """Warps the source along the flow from its mesh to the identity-matched target mesh, without a network."""

    label = "mesh warp"

    def __init__(self, device: torch.device, morphable: MorphableModel | None = None) -> None:
        self.facts: dict[str, Any] = {"kind": "baseline"}
        self.model = (load_morphable() if morphable is None else morphable).to(device)

    def encode(self, image: FaceImage, geometry: FaceGeometry) -> WarpedSource:
        """See `Method.encode`."""
        mesh = to_half_sides(geometry.mesh_px, image.rgb.shape[-1])
        return WarpedSource(rgb=image.rgb, mesh=mesh, matched=split_identity(self.model, mesh))

    def draw(self, identity: WarpedSource, driving: Driving) -> Float[Tensor, "f 3 s s"]:
        """See `Method.draw`."""
        side = identity.rgb.shape[-1]
        motion = read_mesh_motion(self.model, driving.geometry.mesh_px)
        reference = read_mesh_motion(self.model, driving.neutral.mesh_px)
        mesh = match_identity(self.model, identity.matched, motion, reference, relative=driving.mode == "relative")
        flow = mesh_flow(self.model, identity.mesh, mesh, side // 2)
        return warp(identity.rgb.expand(len(driving.geometry), -1, -1, -1), resize(flow.displacement, side))


def load_methods(
    systems: tuple[str, ...], *, baselines: bool, device: torch.device, painters: bool = True
) -> list[Method]:
    """All methods, the systems first.

    Raises:
        CheckpointError: a system is unknown, or its weights cannot be used.
    """
    methods: list[Method] = [
        SystemMethod(name, label, device, painters=painters)
        for name, label in zip(systems, labels_of(systems), strict=True)
    ]
    return methods + ([CopySource(), MeshWarp(device)] if baselines else [])


def labels_of(systems: tuple[str, ...]) -> list[str]:
    """Unique short names: the last two parts of a path, or the whole path where those are ambiguous."""
    short = ["/".join(pathlib.PurePath(name).parts[-2:]) or name for name in systems]
    labels = [part if short.count(part) == 1 else name for part, name in zip(short, systems, strict=True)]
    counts = [labels[:i].count(label) for i, label in enumerate(labels)]
    return [f"{label} ({before + 1})" if before else label for label, before in zip(labels, counts, strict=True)]
