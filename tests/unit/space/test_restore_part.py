"""Restoration on the page: offered by the host, its time said before the run."""

import logging
import pathlib
from typing import Any

import gradio as gr
import pytest
from torch import nn

import app
from reenact.errors import CheckpointError, ConfigError
from reenact.restore.gfpgan import Restorer
from reenact.space.models import Models
from reenact.space.widgets.restore_part import RestorePart, restoring


@pytest.mark.parametrize("offered", [True, False])
def test_only_what_the_host_offers_is_shown(offered: bool) -> None:
    with gr.Blocks() as page:
        RestorePart(Models(restore=pathlib.Path("GFPGANv1.4.pth") if offered else None))
    (row,) = (each for each in page.blocks.values() if isinstance(each, gr.Row))
    (accordion,) = (each for each in page.blocks.values() if isinstance(each, gr.Accordion))
    assert (row.visible, accordion.label) == (offered, "Enlarge and restore" if offered else "Enlarge")


def test_time_is_said_and_the_network_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []
    said: list[str] = []

    def load(weights: Any, **_: Any) -> Restorer:
        loaded.append(weights)
        return Restorer(nn.Identity())

    monkeypatch.setattr("reenact.restore.gfpgan.load_restorer", load)
    monkeypatch.setattr(gr, "Info", said.append)
    models = Models(restore=pathlib.Path("some.pth"))
    assert restoring(models, 2, False, 1.0, faces=1) == {"upscale": 2}
    assert not loaded
    for _ in range(2):
        options = restoring(models, 1, True, 0.5, faces=30)
    assert isinstance(options["restore"], Restorer) and options["upscale"] == 1
    assert loaded == [pathlib.Path("some.pth")]
    assert "for 30 frames, besides drawing" in said[0]
    with pytest.raises(ConfigError, match="give a number from 0 to 1"):
        restoring(models, 1, True, 1.5, faces=1)


def test_weights_that_cannot_be_had_leave_the_page_without_restoration(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(setting: str) -> pathlib.Path:
        raise CheckpointError("cannot be fetched")

    monkeypatch.setattr(app, "find_restoration", missing)
    with caplog.at_level(logging.WARNING):
        assert app._restoration("fetch", False) is None
    assert "The page does not restore faces: cannot be fetched" in caplog.text
    with pytest.raises(CheckpointError):
        app._restoration("fetch", True)
    assert app._restoration(None, True) is None
