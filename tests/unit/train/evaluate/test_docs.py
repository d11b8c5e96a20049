"""Commands in docs/evaluation.md and model cards are valid."""

import pathlib
import re
import shlex

import pytest
import tyro

from train.evaluate.catalogue import METRICS
from train.evaluate.settings import Settings

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
PAGES = (
    "docs/evaluation.md",
    "docs/results.md",
    "checkpoints/correspondence/README.md",
    "checkpoints/painters/eye/README.md",
    "checkpoints/painters/mouth/README.md",
    "checkpoints/perception/tracker/README.md",
)


def commands(page: str) -> list[str]:
    """Arguments of every command, from blocks of shell lines and from running text."""
    text = (REPOSITORY / page).read_text().replace("\\\n", " ")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    prose = [" ".join(each.split()) for each in re.findall(r"`(python -m train\.evaluate [^`]*)`", text)]
    every = [line for line in lines if line.startswith("python -m train.evaluate ")] + prose
    return [line.removeprefix("python -m train.evaluate ") for line in every]


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_understood(page: str) -> None:
    for words in commands(page):
        settings = tyro.cli(Settings, args=shlex.split(words))
        assert settings.out != pathlib.Path()


def test_the_page_has_commands_for_every_protocol() -> None:
    found = {tyro.cli(Settings, args=shlex.split(words)).protocol for words in commands("docs/evaluation.md")}
    assert found == {"self", "cross", "large-pose"}


def test_every_measure_is_defined() -> None:
    text = (REPOSITORY / "docs" / "evaluation.md").read_text()
    for metric in METRICS:
        assert re.search(rf"\| .*{re.escape(metric.title.removesuffix(' (judge)'))} [↑↓→]", text), metric.title
