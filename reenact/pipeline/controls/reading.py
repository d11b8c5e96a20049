"""What a face does, in the numbers of an edit."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.facs import ACTION_UNITS, FACS_MAXIMUM, split_unit
from reenact.pipeline.controls.settings import ANGLES
from reenact.systems.base import PoseControls


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceReading:
    """What a face does; a source's own angles may exceed the range of an edit."""

    action_units: Float[Tensor, "17 2"]
    """FACS intensity, 0 to 5, in the order of `ACTION_UNITS`, the person's left and right."""
    yaw_deg: float
    pitch_deg: float
    roll_deg: float

    def of(self, name: str) -> float:
        """The value of a unit ("12": mean of both sides; "12L": one side) or of "yaw", "pitch", "roll".

        Raises:
            ConfigError: unknown name.
        """
        if name in ANGLES:
            return float(getattr(self, f"{name}_deg"))
        number, side = split_unit(name)
        row = self.action_units[ACTION_UNITS.index(number)]
        return float(row.mean() if side is None else row[side])

    @staticmethod
    def from_controls(controls: PoseControls) -> "FaceReading":
        """The first frame of a system's controls."""
        pitch, yaw, roll = torch.rad2deg(controls.angles_rad[0].double()).tolist()
        units = controls.action_units[0].cpu() * FACS_MAXIMUM
        return FaceReading(action_units=units, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)

    def to_controls(self, device: torch.device) -> PoseControls:
        """One frame of controls for a system."""
        angles = torch.deg2rad(torch.tensor([[self.pitch_deg, self.yaw_deg, self.roll_deg]], device=device))
        return PoseControls(action_units=(self.action_units / FACS_MAXIMUM)[None].to(device), angles_rad=angles)
