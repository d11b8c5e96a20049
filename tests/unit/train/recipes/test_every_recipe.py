"""What holds for the task of every recipe, on painted faces."""

import dataclasses
import pathlib
import re
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.hub.checkpoint import read_checkpoint
from tests.unit.train.recipes.tiny_tasks import TASKS
from train.cli import main
from train.data.faces import FaceData
from train.recipes import RECIPES, find_recipe
from train.recipes.perception import detector
from train.recipes.task import RecipeTask

CPU = torch.device("cpu")
STREAMED = [name for name in TASKS if name not in ("dual_generator_shape", "latent_directions_directions")]
"""The others do not learn from the pictures themselves."""
JUDGED = ["correspondence", "facegan_reenactor", "facegan_background", "facegan", "dual_generator_turned"]
"""Recipes whose critic is a setting."""
WITH_MATCHING = ("correspondence", "facegan_reenactor", "dual_generator_turned")


def sample(task: Any, size: int = 4, seed: int = 0) -> dict[str, Any]:
    return task.sample_batch(np.random.default_rng(seed), size, CPU)


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        same = torch.equal(value, second[key]) if isinstance(value, torch.Tensor) else value == second[key]
        assert same, key


def test_every_recipe_has_a_task_of_toy_size() -> None:
    assert TASKS.keys() | {"morphable", "mouth_painter", "eye_painter", "side_painter"} == RECIPES.keys(), (
        "painters: test_painters.py"
    )
    assert all(callable(find_recipe(name).build) for name in RECIPES)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("trackr", r"did you mean 'tracker'\?$"), ("xyz", "the recipes are correspondence, detector, ")],
)
def test_an_unknown_recipe_is_refused_with_the_nearest_or_all(name: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=f"there is no recipe '{name}'; {advice}"):
        find_recipe(name)


def test_help_lists_the_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert [name for name in RECIPES if not re.search(rf"\b{name}\b", shown)] == []


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_is_a_function_of_the_generator(faces: FaceData, name: str) -> None:
    task = TASKS[name](faces)
    first = sample(task, seed=5)
    assert_same(first, sample(task, seed=5))
    assert len(first.get("names", range(4))) == 4


@pytest.mark.parametrize("name", STREAMED)
def test_other_data_takes_the_place_of_the_first(faces: FaceData, name: str) -> None:
    """Batches after `use_data` are those of a task that began with that data; a set without stills will do."""
    fields = {field.name: getattr(faces, field.name)[:6] for field in dataclasses.fields(faces)}
    clips = FaceData(**fields | {"names": tuple(f"other {i}" for i in range(6))})
    torch.manual_seed(0)
    task = TASKS[name](faces)
    task.use_data(clips)
    batch = sample(task, seed=5)
    if name != "tracker":  # which keeps its first mean mesh
        torch.manual_seed(0)  # the same networks, which may draw people
        assert_same(batch, sample(TASKS[name](clips), seed=5))
    assert all("other" in row for row in batch.get("names", ()) if row)


@pytest.mark.parametrize("name", TASKS)
def test_validation_samples_and_export(
    faces: FaceData, name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "faceless_pictures", lambda backgrounds: backgrounds[:2])
    task: RecipeTask | Any = TASKS[name](faces)
    networks = task.networks.eval()
    with torch.no_grad():
        figures, picture = task.validate(networks, CPU), task.draw_samples(networks, CPU)
    assert figures and all(np.isfinite(value) for value in figures.values())
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    task.export(networks, tmp_path, {"steps": 1})
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint.config["training"]["steps"] == 1
    assert checkpoint.config["model"] == (task.parts.system if task.parts else name)
    task.start_from(tmp_path) if name != "facegan" else None


@pytest.mark.parametrize("name", JUDGED)
def test_a_critic_judges_and_teaches(faces: FaceData, name: str) -> None:
    torch.manual_seed(0)
    more = {"feature_matching": 2.0} if name in WITH_MATCHING else {}
    task = TASKS[name](faces, adversarial=1.0, **more)
    batch = sample(task, 2)
    outputs = task.networks(*task.inputs(batch))
    losses = task.compute_losses(outputs, batch, task.critic)
    assert ("matching" in losses) == bool(more)
    judged = [losses[key] for key in ("adversarial", "matching") if key in losses]
    task.critic.requires_grad_(False)
    torch.stack(judged).sum().backward(retain_graph=True)
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in task.networks.parameters())
    task.networks.zero_grad()
    task.critic.requires_grad_(True)
    task.compute_critic_losses(outputs, batch, task.critic)["critic"].backward()
    assert any(weight.grad is not None for weight in task.critic.parameters())
    assert all(weight.grad is None for weight in task.networks.parameters()), "the critic's loss detaches the result"
    assert TASKS[name](faces).critic is None
