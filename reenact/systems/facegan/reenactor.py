"""FACEGAN as a `Reenactor`."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.geometry.gaze import read_gaze_rad, turn_eyes
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import MorphableModel, Pose, load_morphable
from reenact.geometry.placement import head_to_picture, place_head, rotation_of_angles, to_half_sides, turn_on_neck
from reenact.geometry.unit_movements import pucker_lips
from reenact.ops.grow import grow
from reenact.ops.warp import resize
from reenact.portrait.compose import Rendered, carry_body, compose, warp_head
from reenact.portrait.head import move_head
from reenact.portrait.portrait import portrait_of
from reenact.portrait.stillness import far_pixels, moved_share, moving_pixels
from reenact.systems.base import EncodedCrop, MotionMode, PoseControls, Reenactor
from reenact.systems.facegan.conditions import target_maps
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.landmarks import (
    UPPER_FACE,
    motion_vector,
    normalise_landmarks,
    place_landmarks,
)
from reenact.systems.facegan.motion import FaceMotion, carry_motion, read_face_motion
from reenact.systems.facegan.networks import FaceganNetworks, compose_face, mix, mix_face
from reenact.systems.facegan.rig import LandmarkRig, RiggedFace
from reenact.types import FaceGeometry, FaceImage

_RIM = 0.012
"""Width by which the paper's hole exceeds the head, share of the side: mattes miss hair ends. As in training."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceganIdentity(EncodedCrop):
    """A source, encoded once."""

    features: list[Tensor] | None
    """Of `FaceReenactor.encode_source`."""
    rigged: RiggedFace
    motion: FaceMotion
    """Of the source in its picture, half-sides."""
    landmarks: Float[Tensor, "1 68 2"]
    """Normalised."""

    @property
    def hole(self) -> Float[Tensor, "1 1 s s"]:
        """1 on the head and a rim around it, 0 on the background: what the paper's G_b fills."""
        share = resize(self.portrait.head[:, 3:], self.rgb.shape[-1])
        reach = max(round(_RIM * share.shape[-1]), 1)
        return grow((share > 0.5).float(), reach)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrivenFace:
    """Target landmarks of the source."""

    landmarks: Float[Tensor, "f 68 2"]
    """l_t, in half-sides of the source crop."""
    pose: Pose
    """Half-sides."""
    gaze_rad: Float[Tensor, "f 2"] | None = None
    """As in `PoseControls`."""


class FaceganReenactor(Reenactor[FaceganIdentity, FaceMotion, DrivenFace]):
    """Moves the source's landmarks by Action Units, draws the head under them and joins it with the background."""

    system = "facegan"
    config_class = FaceganConfig
    needs = frozenset({"parsing"})
    can_pose = True
    _pucker: Tensor

    def __init__(self, config: FaceganConfig, morphable: MorphableModel | None = None) -> None:
        """Untrained networks of `config`; the embedded morphable model if None."""
        super().__init__()
        self.config = config
        self.crop = config.crop
        self.networks: FaceganNetworks = FaceganNetworks(config)
        self.rig = LandmarkRig(load_morphable() if morphable is None else morphable)
        self.register_buffer("_pucker", pucker_lips(self.rig.model), persistent=False)

    def _encode_identity(self, image: FaceImage, geometry: FaceGeometry) -> FaceganIdentity:
        rgb = resize(image.rgb, self.crop.network_px).clamp(0, 1)
        geometry = dataclasses.replace(geometry, mesh_px=to_half_sides(geometry.mesh_px, image.rgb.shape[-1]))
        motion = read_face_motion(self.rig.model, geometry)
        return FaceganIdentity(
            portrait=portrait_of(self.rig.model, image, geometry.mesh_px),
            rgb=rgb,
            features=self.networks.reenactor.encode_source(rgb),
            mesh=geometry.mesh_px,
            rigged=self.rig.take_apart(geometry.mesh_px),
            motion=motion,
            landmarks=normalise_landmarks(geometry.mesh_px, motion.pose),
        )

    def read_motion(self, image: FaceImage | None, geometry: FaceGeometry) -> FaceMotion:
        return read_face_motion(self.rig.model, geometry)

    def retarget(
        self, identity: FaceganIdentity, motion: FaceMotion, neutral: FaceMotion, mode: MotionMode
    ) -> DrivenFace:
        return self.transform(identity, carry_motion(identity.motion, motion, neutral, mode))

    def read_controls(self, identity: FaceganIdentity) -> PoseControls:
        own = identity.motion
        return PoseControls(action_units=own.action_units, angles_rad=own.angles_rad, gaze_rad=self._gaze(identity))

    def pose(self, identity: FaceganIdentity, controls: PoseControls) -> DrivenFace:
        pose = turn_on_neck(identity.motion.pose, rotation_of_angles(controls.angles_rad))
        pose = pose if controls.place is None else place_head(pose, controls.place)
        driven = self.transform(identity, FaceMotion(action_units=controls.action_units.clamp(0, 1), pose=pose))
        landmarks = driven.landmarks
        if controls.pucker is not None:
            landmarks = landmarks + head_to_picture(pose, controls.pucker[:, None, None] * self._pucker)[..., :2]
        return dataclasses.replace(driven, landmarks=landmarks, gaze_rad=controls.gaze_rad)

    def transform(self, identity: FaceganIdentity, motion: FaceMotion) -> DrivenFace:
        """L_T: the source's landmarks with another motion (half-sides of the source crop).

        Eyes and brows follow the units of their own side on both sides: in the training data the eyes close together.
        """
        own, units = identity.motion.action_units, motion.action_units
        delta = self._displacement(identity, motion, units, own)
        if self.config.sides == 2:
            delta = delta.clone()
            for side, rows in enumerate(UPPER_FACE):
                at = [side, side]
                delta[:, list(rows)] = self._displacement(identity, motion, units[..., at], own[..., at])[:, list(rows)]
        return DrivenFace(landmarks=place_landmarks(identity.landmarks + delta, motion.pose), pose=motion.pose)

    def _displacement(
        self,
        identity: FaceganIdentity,
        motion: FaceMotion,
        units: Float[Tensor, "f 17 2"],
        own: Float[Tensor, "1 17 2"],
    ) -> Float[Tensor, "f 68 2"]:
        """Output of L_T for these units, and the angles of `motion`, instead of `own`."""
        sides, count = self.config.sides, len(units)
        target = motion_vector(units, motion.angles_rad, sides)
        start = motion_vector(own, identity.motion.angles_rad, sides).expand(count, -1)
        return self.networks.transformer(identity.landmarks.expand(count, -1, -1), target, start).float()

    def target_mesh(self, identity: FaceganIdentity, driven: DrivenFace) -> Float[Tensor, "f 478 3"]:
        mesh = self.rig.move(identity.rigged, driven.landmarks, driven.pose)
        return mesh if driven.gaze_rad is None else turn_eyes(mesh, driven.pose, self._gaze(identity), driven.gaze_rad)

    def _gaze(self, identity: FaceganIdentity) -> Float[Tensor, "1 2"]:
        return read_gaze_rad(identity.rigged.shape, self.rig.model.mean)

    def render(self, identity: FaceganIdentity, driven: DrivenFace) -> Rendered:
        portrait, side, networks = identity.portrait, self.crop.network_px, self.networks
        flow = None
        if self.config.source_warp:
            flow = move_head(
                self.rig.model, portrait.shape, self.target_mesh(identity, driven), side // 2, portrait.unfolded
            )
        maps = target_maps(driven.landmarks, flow, side)
        drawn = networks.reenactor(identity.features, identity.rgb, maps)
        moved = moved_share(own_landmarks(identity), driven.landmarks, side)
        if networks.mixer is None:
            assert drawn.displacement is not None and flow is not None
            displacement = flow.refine(drawn.displacement)
            head = warp_head(portrait, displacement, flow)
            # hair is drawn blurred, and the portrait knows it
            face = resize(flow.face, head.rgb.shape[-1])
            head = head._replace(rgb=torch.lerp(head.rgb, mix_face(drawn, head.rgb), face))
            bend = carry_body(portrait, displacement, flow)
            moving = torch.maximum(*(moving_pixels(each, side) for each in (displacement, bend)))
            return compose(portrait, head, moving * moved, far_pixels(displacement, side), bend, flow)
        rgb, hole = (each.expand(len(maps.heat), -1, -1, -1) for each in (identity.rgb, identity.hole))
        mixed = networks.mixer(compose_face(drawn, identity.rgb), drawn.foreground, rgb, hole)
        # the hole shows the source's old head, which must not shine through
        mask = (1 - (1 - mixed.mask) * (1 - hole)) * moved
        result = mix(mixed._replace(mask=mask), portrait.rgb)
        return Rendered(rgb=result, changed=resize(mask, result.shape[-1]))


def own_landmarks(identity: FaceganIdentity) -> Float[Tensor, "1 68 2"]:
    """l_s, in half-sides."""
    return identity.mesh[:, list(LANDMARKS_68), :2]
