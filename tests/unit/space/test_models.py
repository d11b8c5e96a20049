import dataclasses
import logging
import pathlib
import threading
import types
from typing import Any

import gradio as gr
import pytest

from reenact.errors import CheckpointError, ConfigError, MissingDependencyError
from reenact.space.models import Models, read_weights
from reenact.space.widgets.system_choice import tracker_choice
from reenact.weights import WeightsInfo

COMMIT, SHA256 = "0123456789" * 4, "ab" * 32


def engine_of(**info: Any) -> Any:
    weights = WeightsInfo(**{"folder": pathlib.Path("/srv/secret/runs"), "sha256": SHA256} | info)
    return types.SimpleNamespace(system=types.SimpleNamespace(weights=weights))


def test_engine_is_loaded_once_however_many_ask() -> None:
    loaded: list[str] = []

    def load(system: str) -> Any:
        loaded.append(system)
        return object()

    models, found = Models(load), list[Any]()
    threads = [threading.Thread(target=lambda: found.append(models.engine("correspondence"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["correspondence"]
    assert len({id(engine) for engine in found}) == 1


def test_ready_system_does_not_wait_for_one_that_is_loading() -> None:
    begun, drawn = threading.Event(), threading.Event()

    def load(system: str) -> Any:
        if system == "facegan":
            begun.set()
            assert drawn.wait(30), "the other system waits for this one"
        return system

    models = Models(load)
    slow = threading.Thread(target=models.engine, args=("facegan",))
    slow.start()
    assert begun.wait(30)
    assert models.engine("correspondence") == "correspondence"
    drawn.set()
    slow.join()
    assert models.engine("facegan") == "facegan"


def test_failure_in_the_background_is_logged_and_raised_for_the_next_visitor(caplog: pytest.LogCaptureFixture) -> None:
    def load(system: str, checkpoint: str | None = None) -> Any:
        raise CheckpointError("no weights")

    models = Models(load, weights={"correspondence": "anna/faces"}, require=True)
    with caplog.at_level(logging.WARNING):
        for thread in models.warm_up():
            thread.join()
    assert "no weights" in caplog.text
    for ask in (models.load_weights, lambda: models.engine("correspondence")):
        with pytest.raises(CheckpointError, match="no weights"):
            ask()


def test_unknown_system_is_refused() -> None:
    with pytest.raises(ConfigError, match="no system 'painter'; choose correspondence, "):
        Models().engine("painter")


def test_weights_of_the_host_are_loaded_and_named() -> None:
    asked: list[tuple[str, Any]] = []

    def load(system: str, checkpoint: str | None = None) -> Any:
        asked.append((system, checkpoint))
        return engine_of(repository="anna/faces", revision="v1", commit=COMMIT)

    models = Models(load, weights={"correspondence": "anna/faces@v1"})
    assert models.notes("correspondence") == []  # nothing was drawn yet
    assert "- Correspondence: not loaded yet." in models.describe_weights()
    models.load_weights()
    assert asked == [("correspondence", "anna/faces@v1")]
    (note,) = models.notes("correspondence")
    assert note == "Weights of Correspondence: anna/faces@01234567 (sha256 abababababab)."
    about = f"- Correspondence: anna/faces, revision v1, commit `{COMMIT}`, sha256 `{SHA256}`."
    assert about in models.describe_weights()


def test_folders_of_the_server_are_not_shown() -> None:
    models = Models(lambda system, checkpoint: engine_of(), weights={"facegan": "/srv/secret/runs"})
    models.load_weights()
    text = "\n".join([*models.notes("facegan"), models.describe_weights()])
    assert "FACEGAN: folder runs, sha256" in text
    assert "secret" not in text


def test_embedded_weights_are_used_with_a_note_where_the_hosts_cannot_be_loaded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load(system: str, checkpoint: str | None = None) -> Any:
        if checkpoint is not None:
            raise CheckpointError(f"No repository {checkpoint} on the Hub")
        return engine_of()

    models = Models(load, weights={"correspondence": "anna/faces"})
    with caplog.at_level(logging.WARNING):
        models.load_weights()
    assert "No repository anna/faces on the Hub" in caplog.text
    problem = "The weights set for Correspondence could not be loaded; the embedded ones draw."
    assert models.notes("correspondence")[-1] == problem
    assert problem in models.describe_weights()


def test_settings_of_weights_are_read_and_checked() -> None:
    texts = ["correspondence=anna/faces@v1", "facegan=/srv/runs", "correspondence=anna/other"]
    assert read_weights(texts) == {"correspondence": "anna/other", "facegan": "/srv/runs"}
    for text, said in (("anna/faces", "write SYSTEM=OWNER/NAME@REVISION"), ("painter=a/b", "no system 'painter'")):
        with pytest.raises(ConfigError, match=said):
            read_weights([text])


def test_the_papers_tracker_reads_faces_where_its_library_and_weights_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_tracker(kind: str, _: Any) -> Any:
        if not loads:
            raise MissingDependencyError("/root/.cache has no weights")
        return kind

    monkeypatch.setattr("reenact.hub.load_tracker", load_tracker)
    made = dataclasses.make_dataclass("Made", ["tracker", "sources"])("own", object())
    models, loads = Models(lambda _: made), False
    with pytest.raises(MissingDependencyError, match=r"^The tracker FAN cannot be loaded here; choose") as caught:
        models.engine("correspondence", "fan")
    assert "/root" not in str(caught.value)
    loads = True
    engine = models.engine("correspondence", "fan")
    assert engine.tracker == "fan" and engine.sources is models.engine("correspondence").sources
    for found in (None, object()):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, found=found: found)
        with gr.Blocks():
            assert tracker_choice(models).visible == (found is not None)
