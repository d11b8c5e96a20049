"""The dual generator as a `Reenactor`."""

import copy
import dataclasses

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.action_units import read_action_unit_sides
from reenact.geometry.flow import draw_face
from reenact.geometry.gaze import read_gaze_rad, turn_eyes
from reenact.geometry.landmarks import landmarks68_of
from reenact.geometry.matching import MatchedIdentity, MeshMotion, match_shape, read_mesh_motion, split_identity
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.geometry.placement import SKULL_BASE, place_head, rotation_of_angles, to_half_sides, turn_on_neck
from reenact.geometry.unit_movements import UnitMovements, pucker_lips
from reenact.ops.warp import resize
from reenact.portrait.compose import HeadLayer, Rendered, carry_body, compose, warp_head
from reenact.portrait.head import move_head
from reenact.portrait.matte import FACE
from reenact.portrait.portrait import portrait_of
from reenact.portrait.posed import Head, PosedHead, build_head, head_of, mirror_turned, pose_head
from reenact.portrait.stillness import far_pixels, moved_share, moving_pixels
from reenact.systems.base import EncodedCrop, MotionMode, PoseControls, Reenactor
from reenact.systems.dual_generator.config import DualGeneratorConfig
from reenact.systems.dual_generator.finish import changed_share, draw_landmarks, finish
from reenact.systems.dual_generator.networks import DualGeneratorNetworks
from reenact.systems.dual_generator.shape import AnchoredShape, SourceShape
from reenact.types import FaceGeometry, FaceImage, head_angles_rad


@dataclasses.dataclass(frozen=True, kw_only=True)
class DualGeneratorIdentity(EncodedCrop):
    """A source, encoded once."""

    style: Float[Tensor, "1 d"]
    """Facial style code, s_s."""
    matched: MatchedIdentity
    action_units: Float[Tensor, "1 17 2"]
    """Of the source in its picture, left and right."""
    shape: SourceShape
    heads: tuple[Head, Head | None] | None
    """The source's head and the mirrored one; None in the paper's form."""

    @property
    def angles_rad(self) -> Float[Tensor, "1 3"]:
        """Pitch, yaw and roll of the fitted head."""
        return head_angles_rad(self.matched.pose.rotation)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadMotion(MeshMotion):
    """Motion of f driving frames, with the landmarks that `E_l` reads."""

    landmarks: Float[Tensor, "f 68 3"]
    """In the unit of the driver's picture."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivenHead:
    """Target meshes of the source's face."""

    mesh: Float[Tensor, "f 478 3"]
    """In half-sides of the source crop; the 68 landmarks on it are l_t."""


class DualGeneratorReenactor(Reenactor[DualGeneratorIdentity, HeadMotion, DrivenHead]):
    """Finds the source's landmarks for a driver's action, moves its head under them and draws what is missing."""

    system = "dual_generator"
    config_class = DualGeneratorConfig
    needs = frozenset({"parsing", "embedding"})
    can_pose = True
    _pucker: Tensor

    def __init__(self, config: DualGeneratorConfig, morphable: MorphableModel | None = None) -> None:
        """Untrained networks of `config`; the embedded morphable model if None."""
        super().__init__()
        self.config = config
        self.crop = config.crop
        self.networks: DualGeneratorNetworks = DualGeneratorNetworks(config)
        self.morphable = load_morphable() if morphable is None else morphable
        self.anchored = AnchoredShape(self.morphable)
        self.units = UnitMovements(self.morphable)
        self.register_buffer("_pucker", pucker_lips(self.morphable), persistent=False)
        self._on_cpu = (copy.deepcopy(self.morphable),)  # heads move on the CPU; the tuple keeps it from `.to(device)`

    def _encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> DualGeneratorIdentity:
        mesh = to_half_sides(geometry.mesh_px, image.rgb.shape[-1])
        rgb = resize(image.rgb, self.crop.network_px).clamp(0, 1)
        matched = split_identity(self.morphable, mesh)
        code = image.embedding
        if code is None:  # code of the average face; the anchored shape depends little on it
            code = rgb.new_zeros(1, self.config.face_code)
        return DualGeneratorIdentity(
            portrait=portrait_of(self.morphable, image, mesh),
            rgb=rgb,
            style=self.networks.face.encode_style(rgb),
            mesh=mesh,
            matched=matched,
            action_units=read_action_unit_sides(geometry.blendshapes, mesh),
            shape=self.anchored.take(landmarks68_of(mesh), matched.pose, code.to(rgb)),
            heads=self._build_heads(image, rgb, mesh) if self.config.source_features else None,
        )

    def read_motion(self, image: FaceImage | None, geometry: FaceGeometry) -> HeadMotion:
        motion = read_mesh_motion(self.morphable, geometry.mesh_px)
        return HeadMotion(**vars(motion), landmarks=landmarks68_of(geometry.mesh_px))

    def retarget(
        self, identity: DualGeneratorIdentity, motion: HeadMotion, neutral: HeadMotion, mode: MotionMode
    ) -> DrivenHead:
        relative = mode == "relative"
        # a far turn about the shoulders would move the head out of the crop
        matched = match_shape(self.morphable, identity.matched, motion, neutral, relative=relative, about=SKULL_BASE)
        base = neutral.landmarks if relative else None
        landmarks = self.anchored.act(self._generate_shape, identity.shape, motion.landmarks, base)
        shape = self.anchored.carry(matched.shape, self.anchored.agree(matched.shape, landmarks))
        return DrivenHead(mesh=matched.pose.apply(shape))

    def read_controls(self, identity: DualGeneratorIdentity) -> PoseControls:
        gaze_rad = self._gaze(identity)
        return PoseControls(action_units=identity.action_units, angles_rad=identity.angles_rad, gaze_rad=gaze_rad)

    def pose(self, identity: DualGeneratorIdentity, controls: PoseControls) -> DrivenHead:
        own, frames = identity.matched.pose, len(controls.angles_rad)
        shape = own.invert(identity.mesh).expand(frames, -1, -1)
        landmarks = self.units.move(
            landmarks68_of(shape), identity.action_units.expand(frames, -1, -1), controls.action_units.clamp(0, 1)
        )
        if controls.pucker is not None:
            landmarks = landmarks + controls.pucker[:, None, None] * self._pucker
        shape = self.anchored.carry(shape, landmarks)
        pose = turn_on_neck(own, rotation_of_angles(controls.angles_rad))
        pose = pose if controls.place is None else place_head(pose, controls.place)
        mesh = pose.apply(shape)
        if controls.gaze_rad is not None:
            mesh = turn_eyes(mesh, pose, self._gaze(identity), controls.gaze_rad)
        return DrivenHead(mesh=mesh)

    def _gaze(self, identity: DualGeneratorIdentity) -> Float[Tensor, "1 2"]:
        return read_gaze_rad(identity.matched.pose.invert(identity.mesh), self.morphable.mean)

    def target_mesh(self, identity: DualGeneratorIdentity, driven: DrivenHead) -> Float[Tensor, "f 478 3"]:
        return driven.mesh

    def render(self, identity: DualGeneratorIdentity, driven: DrivenHead) -> Rendered:
        side, count = self.crop.network_px, len(driven.mesh)
        lines = draw_landmarks(landmarks68_of(driven.mesh), side)
        posed = None if identity.heads is None else self._pose(identity.heads, driven.mesh)
        drawn = self.networks.face(lines, identity.style.expand(count, -1), posed)
        moved, portrait = moved_share(identity.mesh, driven.mesh, side), identity.portrait
        if posed is not None:
            flow = move_head(self.morphable, portrait.shape, driven.mesh, side // 2, portrait.unfolded)
            head = warp_head(portrait, flow.displacement, flow)  # its soft outline is not the generator's
            picture, drawn_share = finish(drawn, posed, identity.rgb, portrait.rgb)
            head = HeadLayer(
                # the posed picture has the steps of its map along the rim of the face
                rgb=torch.lerp(head.rgb, picture, drawn_share * (1 - resize(flow.rim, picture.shape[-1]))),
                matte=torch.lerp(head.matte, drawn_share, flow.turned),
            )
            bend = carry_body(portrait, flow.displacement, flow)
            moving = torch.maximum(changed_share(posed), resize(moving_pixels(bend, side), side)) * moved
            return compose(portrait, head, moving, far_pixels(flow.displacement, side), bend, flow)
        # the paper's form draws the whole picture
        picture, share = (resize(each, portrait.rgb.shape[-1]) for each in (drawn.rgb, moved.expand_as(lines)))
        return Rendered(rgb=torch.lerp(portrait.rgb, picture, share), changed=share)

    def _generate_shape(self, landmarks: Tensor, code: Tensor) -> Tensor:
        return self.networks.shape(landmarks, code).landmarks

    def _build_heads(self, image: FaceImage, rgb: Tensor, mesh: Tensor) -> tuple[Head, Head | None]:
        side, model, parsing = rgb.shape[-1], self._on_cpu[0], image.parsing
        if image.portrait is not None and rgb.device.type == "cpu":
            head = head_of(image.portrait, side)
            return head, mirror_turned(model, head)
        picture = (rgb[0] * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        mesh = mesh.cpu()
        if parsing is None:  # not parsed: the face is what its mesh covers, without hair
            classes = (draw_face(model, mesh, side // 2).parts.amax(1) > 0) * FACE
        else:
            classes = resize_classes(parsing, side // 2)
        mesh_px = (mesh[0] + mesh.new_tensor([1, 1, 0])) * (side / 2)
        head = build_head(model, np.ascontiguousarray(picture), mesh_px.numpy(), classes[0].cpu().numpy())
        return head, mirror_turned(model, head)

    def _pose(self, heads: tuple[Head, Head | None], mesh: Tensor) -> PosedHead:
        posed = pose_head(self._on_cpu[0], *heads, mesh.float().cpu())
        return PosedHead(*(part.to(mesh.device) for part in posed))


def resize_classes(classes: Tensor, side: int) -> Tensor:
    """Classes (f, i, i) at another side, by nearest neighbour."""
    at = ((torch.arange(side, device=classes.device) + 0.5) * (classes.shape[-1] / side)).long()
    return classes[:, at][:, :, at]
