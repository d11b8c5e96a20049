"""What a slider of the page is called and how far it goes."""

import dataclasses
from collections.abc import Mapping

Groups = Mapping[str, "tuple[Control, ...]"]
"""Sliders under headings, in the order of the page."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Control:
    """One slider."""

    name: str
    """Of `reenact.FaceEdit`: "12", "12L", or an angle."""
    label: str
    lowest: float
    highest: float
    step: float
    """Values are shown, and compared with the source's own, to this."""
    info: str | None = None
    whole: str | None = None
    """Of a side: the unit it is a half of."""
    sided: bool = False
    """Whether there are two sliders for its sides."""

    @property
    def is_side(self) -> bool:
        """Whether it stands for one half of the face."""
        return self.whole is not None

    @property
    def sides(self) -> tuple[str, str]:
        """Names of its left and its right half."""
        return f"{self.name}L", f"{self.name}R"

    def rounded(self, value: float) -> float:
        """Within the range, on a step."""
        value = min(max(value, self.lowest), self.highest)
        return round(round(value / self.step) * self.step, 6) + 0.0  # no minus zero

    def differ(self, first: float, second: float) -> bool:
        """Whether two values are shown as different ones."""
        return abs(first - second) >= self.step / 2


def named(groups: Groups) -> dict[str, Control]:
    """All sliders by name, in the order of the page."""
    return {control.name: control for group in groups.values() for control in group}


def head_angles(*, yaw: float, pitch: float, roll: float) -> tuple[Control, ...]:
    """Sliders of the head's angles.

    Args:
        yaw: largest, degrees; as far to either side.
        pitch: likewise.
        roll: likewise.
    """
    described = (
        ("yaw", "Turn (yaw)", "Degrees towards the person's left.", yaw),
        ("pitch", "Nod (pitch)", "Degrees down.", pitch),
        ("roll", "Tilt (roll)", "Degrees towards the person's right shoulder.", roll),
    )
    return tuple(
        Control(name=name, label=label, lowest=-largest, highest=largest, step=1.0, info=info)
        for name, label, info, largest in described
    )
