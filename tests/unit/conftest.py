"""Fixtures of the training and study tests."""

from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def fresh_accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Run the training loop on the CPU with no state of an earlier run; call it to reset once more within a test."""
    import accelerate.state
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def reset() -> None:
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
        accelerate.state.GradientState._reset_state()

    reset()
    yield reset
    reset()
