import math
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.hub import load_tracker
from reenact.pipeline.sample import LARGEST_SEED, sample_people
from tests.contract.systems import build
from train.evaluate.encoders import OwnEncoder, aligned_crops


def test_a_seed_is_the_same_person_alone_and_in_a_grid() -> None:
    side = 128
    grid = sample_people(7, truncation=1.0, count=3)
    assert grid.shape == (2 * side, 2 * side, 3)
    people = [grid[y : y + side, x : x + side] for y in (0, side) for x in (0, side)]
    for i in range(3):
        assert np.array_equal(sample_people(7 + i, truncation=1.0), people[i])
    assert not np.array_equal(people[0], people[1])
    assert people[3].min() == 255
    assert np.array_equal(sample_people(7, truncation=0.0), sample_people(8, truncation=0.0))


def test_random_people_have_faces_and_differ() -> None:
    tracker, encoder = load_tracker(), OwnEncoder(torch.device("cpu"))
    people = [sample_people(seed) for seed in range(6)]
    meshes = [tracker.track(person).mesh_px[0].numpy() for person in people]
    codes = encoder.embed(aligned_crops(people, meshes))
    alike = (codes @ codes.T)[~torch.eye(len(codes), dtype=torch.bool)]
    assert alike.mean() < 0.75


def test_a_system_draws_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = build("latent_directions")
    monkeypatch.setattr("reenact.pipeline.sample.load", lambda *_, **__: toy)
    assert sample_people(checkpoint="any").shape == (toy.config.side, toy.config.side, 3)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"truncation": 1.1}, r"The truncation is 1\.1; give a number from 0"),
        ({"truncation": math.nan}, "The truncation is nan"),
        ({"seed": -1}, "The seed is -1; give a whole number from 0 to"),
        ({"seed": LARGEST_SEED, "count": 2}, "The seed is 9223372036854775807"),
        ({"count": 0}, "0 people were asked for; give a number from 1 to 256"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        sample_people(**numbers)


def test_systems_without_a_generator_of_people_say_so() -> None:
    with pytest.raises(ConfigError, match="'facegan' redraws people"):
        build("facegan").draw_person(0, 1.0)
