import pytest

from reenact.errors import StoppedError
from reenact.pipeline.progress import stop_checker
from reenact.pipeline.results import frame_ranges


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([], ""),
        ([3], "3"),
        ([3, 4, 5, 9], "3 to 5, 9"),
        (list(range(0, 20, 2)), "0, 2, 4, 6, 8, 10 and 4 more ranges"),
    ],
)
def test_frame_ranges(frames: list[int], text: str) -> None:
    assert frame_ranges(frames) == text


def test_checkpoint_raises_when_asked_to_stop() -> None:
    answers = iter([False, True])
    check = stop_checker(lambda: next(answers))
    check()
    with pytest.raises(StoppedError, match="nothing was written"):
        check()
