"""What is measured of a compared system; nothing slow is imported here."""

import dataclasses
from typing import Any

from reenact.systems.catalog import CATALOG


@dataclasses.dataclass(frozen=True, kw_only=True)
class SystemFigures:
    """What was measured of one system; means over the measured frames."""

    system: str
    """Its id."""
    pose_error_deg: float | None
    """Angle between the head in the result, as the tracker reads it, and the driver's; None if no face was found."""
    identity: float | None
    """Similarity of the result's face and the source's by the embedded identity encoder, at most 1; None likewise."""
    seconds_per_frame: float
    """Time to retarget, draw and paste back one frame."""
    lost: int
    """Measured frames in whose result the tracker finds no face."""

    @property
    def title(self) -> str:
        """The system's name for users."""
        return CATALOG[self.system].title

    @property
    def use(self) -> str:
        """What the system is best at."""
        return CATALOG[self.system].use

    def cells(self) -> tuple[str, str, str]:
        """Pose error in degrees, identity and seconds, as tables show them."""
        pose = "no face" if self.pose_error_deg is None else f"{self.pose_error_deg:.1f}°"
        identity = "no face" if self.identity is None else f"{self.identity:.2f}"
        return pose, identity, f"{self.seconds_per_frame:.3f}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON; figures are rounded to what they can be trusted for."""
        digits = {"pose_error_deg": 2, "identity": 3, "seconds_per_frame": 4}
        figures = dataclasses.asdict(self)
        rounded = {key: None if figures[key] is None else round(figures[key], n) for key, n in digits.items()}
        return figures | {"title": self.title, "use": self.use} | rounded
