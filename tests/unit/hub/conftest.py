"""The Hub on localhost for the tests of this folder, and a checkpoint to push."""

import pathlib

import pytest

from tests.hub_client import hub, hub_server, write_system

__all__ = ["hub", "hub_server"]


@pytest.fixture(scope="session")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A small checkpoint that nobody writes to."""
    return write_system(tmp_path_factory.mktemp("checkpoints") / "small")
