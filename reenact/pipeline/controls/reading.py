"""What a face does, in the numbers of an edit."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.facs import ACTION_UNITS, FACS_MAXIMUM, split_unit
from reenact.pipeline.controls.settings import FIELDS
from reenact.systems.base import PoseControls


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceReading:
    """What a face does; a source's own angles may exceed the range of an edit."""

    action_units: Float[Tensor, "17 2"]
    """FACS intensity, 0 to 5, in the order of `ACTION_UNITS`, the person's left and right."""
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    gaze_yaw_deg: float = 0.0
    gaze_pitch_deg: float = 0.0
    right_percent: float = 0.0
    """0 in a source; so are the others that follow."""
    down_percent: float = 0.0
    zoom_percent: float = 0.0
    pucker: float = 0.0

    def of(self, name: str) -> float:
        """The value of a unit ("12": mean of both sides; "12L": one side) or of a name in `FIELDS`, such as "yaw".

        Raises:
            ConfigError: unknown name.
        """
        if name in FIELDS:
            return float(getattr(self, FIELDS[name]))
        number, side = split_unit(name)
        row = self.action_units[ACTION_UNITS.index(number)]
        return float(row.mean() if side is None else row[side])

    @staticmethod
    def from_controls(controls: PoseControls) -> "FaceReading":
        """The first frame of a system's controls."""
        pitch, yaw, roll = torch.rad2deg(controls.angles_rad[0].double()).tolist()
        units, gaze = controls.action_units[0].cpu() * FACS_MAXIMUM, controls.gaze_rad
        gaze_yaw, gaze_pitch = (0.0, 0.0) if gaze is None else torch.rad2deg(gaze[0].double()).tolist()
        return FaceReading(
            action_units=units,
            yaw_deg=yaw,
            pitch_deg=pitch,
            roll_deg=roll,
            gaze_yaw_deg=gaze_yaw,
            gaze_pitch_deg=gaze_pitch,
        )

    def to_controls(self, device: torch.device) -> PoseControls:
        """One frame of controls for a system."""

        def one(*values: float) -> torch.Tensor:
            return torch.tensor([values], device=device)

        return PoseControls(
            action_units=(self.action_units / FACS_MAXIMUM)[None].to(device),
            angles_rad=torch.deg2rad(one(self.pitch_deg, self.yaw_deg, self.roll_deg)),
            gaze_rad=torch.deg2rad(one(self.gaze_yaw_deg, self.gaze_pitch_deg)),
            place=one(self.right_percent, self.down_percent, self.zoom_percent) / 100,
            pucker=one(self.pucker)[0] / FACS_MAXIMUM,
        )
