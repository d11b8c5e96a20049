"""The Hub on localhost for the tests of this folder, and a checkpoint to push."""

import pathlib

import pytest

from tests.hub_client import hub, hub_server, write_part, write_system

__all__ = ["hub", "hub_server"]


@pytest.fixture(scope="session")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A small checkpoint that nobody writes to."""
    return write_system(tmp_path_factory.mktemp("checkpoints") / "small")


@pytest.fixture(scope="session")
def shared_part(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A checkpoint that takes no time to check, for what does not look inside; nobody writes to it."""
    return write_part(tmp_path_factory.mktemp("checkpoints") / "part", model="part")
