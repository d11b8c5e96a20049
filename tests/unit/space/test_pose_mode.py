"""Who draws on the Image and Video tabs, and what the visitor reads of it."""

import gradio as gr
import pytest

from reenact.pipeline.large_pose import FarTurn
from reenact.space.models import Models
from reenact.space.page import build_page
from reenact.space.pose_mode import PoseMode, drawer

PROFILE = "the driving clip", FarTurn(yaw_deg=-62.3, at_s=1.26)


def never_look() -> None:
    raise AssertionError("nothing is to be looked for")


@pytest.mark.parametrize(
    ("found", "system", "why"),
    [
        (None, "correspondence", "Drawn by Correspondence (standard): no face is turned by more than 45°."),
        (
            PROFILE,
            "dual_generator",
            "Drawn by Dual Generator (large pose): the face in the driving clip is turned by 62° at 1.3 s.",
        ),
        (
            ("the source", FarTurn(yaw_deg=88.0, at_s=None)),
            "dual_generator",
            "Drawn by Dual Generator (large pose): the face in the source is turned by 88°.",
        ),
    ],
)
def test_far_turn_is_drawn_by_the_system_of_large_poses(
    found: tuple[str, FarTurn] | None, system: str, why: str
) -> None:
    chosen = drawer("automatic", "correspondence", offered=True, look=lambda: found)
    assert (chosen.system, chosen.why) == (system, why)


@pytest.mark.parametrize(
    ("mode", "system", "offered", "drawn", "why"),
    [
        ("standard", "correspondence", True, "correspondence", "Drawn by Correspondence (standard), as chosen."),
        ("automatic", "facegan", True, "facegan", "Drawn by FACEGAN (standard), as chosen."),
        ("large_pose", "facegan", True, "dual_generator", "Drawn by Dual Generator (large pose), as chosen."),
        ("automatic", "correspondence", False, "correspondence", ""),
        ("standard", "facegan", False, "facegan", ""),
    ],
)
def test_choice_of_the_visitor_stands(mode: PoseMode, system: str, offered: bool, drawn: str, why: str) -> None:
    chosen = drawer(mode, system, offered=offered, look=never_look)
    assert (chosen.system, chosen.why) == (drawn, why)


@pytest.mark.parametrize("offered", [True, False])
def test_large_poses_are_offered_only_where_they_can_be_drawn(offered: bool) -> None:
    page = build_page(Models(lambda system: pytest.fail("building loads nothing")), editor=False, large_pose=offered)
    tabs = [block.label for block in page.blocks.values() if isinstance(block, gr.Tab)]
    modes = [block for block in page.blocks.values() if isinstance(block, gr.Radio) and block.label == "Mode"]
    public = {each.api_name for each in page.fns.values() if each.api_visibility == "public" and each.api_name}
    assert ("Head pose" in tabs) == offered
    assert [mode.visible for mode in modes] == [offered, offered]
    assert public == {"reenact_image", "reenact_video", "stop"} | ({"turn", "turntable"} if offered else set())
