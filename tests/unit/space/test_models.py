import logging
import threading
from typing import Any, cast

import pytest

from reenact.errors import CheckpointError
from reenact.space.models import Models


def test_engine_is_loaded_once_however_many_ask() -> None:
    loaded: list[str] = []

    def load(system: str) -> Any:
        loaded.append(system)
        return object()

    models = Models(load)
    models.warm_up()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(models.engine("correspondence"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["correspondence"]
    assert len({id(engine) for engine in found}) == 1


def test_failure_in_the_background_is_logged_and_told_to_the_next(caplog: pytest.LogCaptureFixture) -> None:
    def load(system: str) -> Any:
        raise CheckpointError("no weights")

    models = Models(cast(Any, load))
    with caplog.at_level(logging.WARNING):
        models.warm_up().join()
    assert "no weights" in caplog.text
    with pytest.raises(CheckpointError, match="no weights"):
        models.engine("correspondence")
