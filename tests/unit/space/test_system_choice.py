"""Which system draws on the Image and Video tabs, and the reason that the visitor reads."""

import pytest

from reenact.pipeline.large_pose import FarTurn
from reenact.space.models import Models
from reenact.space.widgets import system_choice


class Installed(Models):
    """Whether the large-pose system is installed."""

    def __init__(self, large_pose: bool = True) -> None:
        super().__init__(lambda system: pytest.fail("nothing is to be loaded"))
        self._large_pose = large_pose

    def offers(self, system: str) -> bool:
        return self._large_pose


@pytest.mark.parametrize(
    ("found", "system", "reason"),
    [
        (None, "correspondence", "Drawn by Correspondence: no face is turned by more than 45°."),
        (
            ("the driving clip", FarTurn(yaw_deg=-62.3, at_s=1.26)),
            "dual_generator",
            "Drawn by Dual Generator: the face in the driving clip is turned by 62° at 1.3 s.",
        ),
        (
            ("the source", FarTurn(yaw_deg=88.0, at_s=None)),
            "dual_generator",
            "Drawn by Dual Generator: the face in the source is turned by 88°.",
        ),
    ],
)
def test_far_turn_is_drawn_by_the_large_pose_system(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, FarTurn] | None, system: str, reason: str
) -> None:
    monkeypatch.setattr(system_choice, "find_far_turn", lambda *_, **__: found)
    chosen = system_choice.choose_system(Installed(), "automatic", "auto")
    assert (chosen.system, chosen.reason) == (system, reason)


@pytest.mark.parametrize(
    ("mode", "system", "offered", "drawn", "reason"),
    [
        ("automatic", "correspondence", True, "correspondence", "Drawn by Correspondence, as chosen."),
        ("automatic", "facegan", True, "facegan", "Drawn by FACEGAN, as chosen."),
        ("automatic", "dual_generator", True, "dual_generator", "Drawn by Dual Generator, as chosen."),
        ("automatic", "auto", False, "correspondence", ""),
        ("standard", "auto", True, "correspondence", "Drawn by Correspondence, as chosen."),
        ("standard", "facegan", False, "facegan", "Drawn by FACEGAN, as chosen."),
        ("large_pose", "facegan", True, "dual_generator", "Drawn by Dual Generator, as chosen."),
    ],
)
def test_choice_of_the_visitor_is_kept(
    mode: system_choice.PoseMode, system: str, offered: bool, drawn: str, reason: str
) -> None:
    """And the files are not searched: these models have no engine."""
    chosen = system_choice.choose_system(Installed(offered), mode, system)
    assert (chosen.system, chosen.reason) == (drawn, reason)


def test_every_system_is_listed_with_its_use() -> None:
    listed = dict(system_choice.system_choice(Installed()).choices)
    assert listed["Dual Generator: heads rotated up to 90 degrees"] == "dual_generator"
    assert next(iter(listed)).startswith("Automatic: Correspondence; Dual Generator beyond 45°")
    assert [value for _, value in system_choice.editing_choice().choices] == ["auto", "facegan", "dual_generator"]
