"""The loop's tests run on the CPU, each as if it were a program of its own."""

from collections.abc import Callable, Iterator

import accelerate.state
import pytest
import torch


@pytest.fixture
def fresh_accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Forget what accelerate keeps for the process; call it to forget once more within a test."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def forget() -> None:
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
        accelerate.state.GradientState._reset_state()

    forget()
    yield forget
    forget()
