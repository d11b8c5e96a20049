"""Every recipe on painted faces, through the command line and the real loop."""

import pathlib
from typing import Any

import numpy as np
import pytest
import torch

import train.cli
import train.run.loop
from reenact.geometry.morphable import load_morphable
from tests.labelled_set import painted_faces, write_labelled
from tests.toy_training import read_log
from train.cli import main
from train.profiling import rendered_set
from train.recipes import RECIPES
from train.recipes.latent_directions import directions, refine
from train.recipes.perception import detector
from train.run.state import TrainingState

pytestmark = pytest.mark.usefixtures("fresh_accelerator")
LEARNED = [name for name in sorted(RECIPES) if name != "morphable"]
AGAINST_THE_CRITIC = ("adversarial", "matching", "subject")
"""Terms that need not fall while a critic learns too."""
WITH_PAPER_PRESET = ("correspondence", "facegan", "dual_generator", "latent_directions")
SAME_PAPER_NETWORKS = (
    "dual_generator_face_cross",
    "latent_directions_people",
    "latent_directions_inversion",
    "latent_directions_directions",
    "latent_directions_joint",
    "latent_directions_refine",
)
"""Their paper preset has the networks of another recipe."""
STARTS_FROM = {
    "facegan": ("facegan_landmarks", "facegan_reenactor", "facegan_background"),
    "dual_generator_face_cross": ("dual_generator_face",),
}
PAPER_ONLY = ("facegan_background",)
"""Recipes of networks that only the paper preset has."""
_LARGER = ("--side", "128")
MORE = {
    "identity": ("--batch-size", "8", "--steps", "12", "--learning-rate", "3e-4"),
    "tracker": ("--batch-size", "8", "--steps", "16", "--learning-rate", "4e-4"),
    "dual_generator_face": _LARGER,
    "dual_generator_face_cross": _LARGER,
    "dual_generator_turned": _LARGER,
    "latent_directions_directions": ("--batch-size", "4", "--steps", "16", "--learning-rate", "2e-4"),
}
"""Options of recipes whose loss compares the samples of a batch, of one whose samples differ much (heads look any way),
and of those that halve pictures six times."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A labelled folder of two dozen pictures for training and a dozen for validation."""
    model = load_morphable()
    root = tmp_path_factory.mktemp("painted") / "data"
    splits = {"train": painted_faces(model, 1, 3, 6, 6), "val": painted_faces(model, 2, 1, 9, 3)}
    return write_labelled(root, splits)


def train_on(data: pathlib.Path, recipe: str, out: pathlib.Path, *more: str) -> int:
    """Exit code of a small run; later options take the place of earlier ones."""
    small = "--steps 8 --batch-size 2 --side 64 --warmup-steps 1 --log-every 4 --mixed-precision no --track none"
    cache = data.parent / "cache"
    return main([recipe, "--data", str(data), "--out", str(out), "--cache", str(cache), *small.split(), *more])


def untrained_parts(data: pathlib.Path, recipe: str, folder: pathlib.Path, *more: str) -> list[str]:
    """``--init`` with untrained weights of what a recipe starts from."""
    parts = [part for part in STARTS_FROM.get(recipe, ()) if "paper" in more or part not in PAPER_ONLY]
    for part in parts:
        assert train_on(data, part, folder / part, *more, *MORE.get(part, ()), "--steps", "0") == 0
    return ["--init", ":".join(str(folder / part / "export") for part in parts)] if parts else []


def loss_of(task: Any) -> float:
    """The sum of the terms that must fall, on a batch of its own that is always the same."""
    torch.manual_seed(0)
    batch = task.sample_batch(np.random.default_rng(123), 4, torch.device("cpu"))
    with torch.no_grad():
        terms = task.compute_losses(task.networks(*task.inputs(batch)), batch, task.critic)
    return sum(float(value) for name, value in terms.items() if not name.startswith(AGAINST_THE_CRITIC))


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What recipes make beforehand and validate on are hundreds of pictures; here a handful."""

    def change(module: Any, config: str, **values: int) -> None:
        made = getattr(module, config)
        monkeypatch.setattr(module, config, lambda **given: made(**given | values))

    change(detector, "DetectorTaskConfig", val_scenes=4)
    change(rendered_set, "ProfiledSetConfig", per_photo=1)
    change(refine, "RefineTaskConfig", pool=16)
    monkeypatch.setattr(detector, "faceless_pictures", lambda backgrounds: backgrounds[:4])
    monkeypatch.setattr(directions, "_VALIDATED", 32)


@pytest.mark.usefixtures("few_pictures")
@pytest.mark.parametrize("recipe", [name for name in LEARNED if name not in PAPER_ONLY])
def test_a_recipe_lowers_its_loss(
    recipe: str, data: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []
    run = train.cli.run

    def measured(task: Any, *arguments: Any, **options: Any) -> dict[str, float]:
        losses.append(loss_of(task))
        figures = run(task, *arguments, **options)
        losses.append(loss_of(task))
        return figures

    init = untrained_parts(data, recipe, tmp_path)
    monkeypatch.setattr(train.cli, "run", measured)
    assert train_on(data, recipe, tmp_path / "run", *init, *MORE.get(recipe, ())) == 0
    assert losses[1] < losses[0]
    lines = read_log(tmp_path / "run")
    steps = lines[-1]["step"]
    assert [line["step"] for line in lines] == [*range(4, steps + 1, 4), steps]
    assert all(np.isfinite(value) for value in lines[-1]["validation"].values())
    assert (tmp_path / "run" / "export" / "model.safetensors").is_file()
    assert (tmp_path / "run" / "samples" / f"{steps:06d}.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", [name for name in LEARNED if name.startswith(WITH_PAPER_PRESET) and name not in SAME_PAPER_NETWORKS]
)
def test_paper_presets_take_a_step(
    recipe: str, data: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In full width, on small crops; without validation, and without checkpoints of a gigabyte."""
    monkeypatch.setattr(TrainingState, "save", lambda *_: None)
    paper = ("--preset", "paper")
    init = untrained_parts(data, recipe, tmp_path, *paper)
    monkeypatch.setattr(train.run.loop, "validate_and_export", lambda *_: {})
    assert train_on(data, recipe, tmp_path / "run", *init, *paper, "--steps", "1", "--log-every", "1") == 0
    line = read_log(tmp_path / "run")[0]
    assert line["step"] == 1
    assert np.isfinite(line["grad_norm"])
    assert line["grad_norm"] > 0
