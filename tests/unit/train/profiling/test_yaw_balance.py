"""Rows drawn evenly over yaw, real and turned."""

import dataclasses

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.morphable import load_morphable
from reenact.geometry.rasterise import rasterise
from tests.synthetic import face_set
from tests.unit.train.evaluate.made_up import set_of
from train.data.faces import FaceData
from train.profiling.yaw_balance import YAW_BINS_DEG, YawBalance, YawBalanceConfig, YawDraws

EDGES = [low for low, _ in YAW_BINS_DEG] + [90.0]


def parsed(data: FaceData) -> FaceData:
    return dataclasses.replace(data, has_parsing=np.ones(len(data), bool))


@pytest.fixture
def data() -> FaceData:
    """Mostly straight; one picture at 20, two at 35, none at 50, one at -75 degrees."""
    return parsed(set_of([0.0, 2.0, -4.0, 8.0] * 10, stills=[20.0, 35.0, -40.0, -75.0]))


def counts(draws: YawDraws) -> np.ndarray:
    return np.histogram(np.abs(draws.yaw_deg), EDGES)[0]


@pytest.mark.parametrize("size", [1, 4, 5, 64])
def test_bins_come_equally_often(data: FaceData, size: int) -> None:
    found = counts(YawBalance(data).draw(np.random.default_rng(0), size))
    assert found.sum() == size
    assert found.max() - found.min() <= 1


def test_small_batches_are_even_in_the_long_run(data: FaceData) -> None:
    balance, rng = YawBalance(data), np.random.default_rng(0)
    found = sum(counts(balance.draw(rng, 3)) for _ in range(400))
    assert np.allclose(found / 1200, 0.2, atol=0.03)


def test_real_pictures_are_as_they_are_and_others_are_turned(data: FaceData) -> None:
    draws = YawBalance(data, YawBalanceConfig(enough=1)).draw(np.random.default_rng(1), 500)
    own = data.yaw_deg[draws.rows]
    assert np.allclose(own[~draws.profiled], draws.yaw_deg[~draws.profiled])
    assert np.abs(own[draws.profiled]).max() <= 20
    turned_far = draws.profiled & (np.abs(own) > 1)
    assert (np.sign(draws.yaw_deg) == np.sign(own))[turned_far].all()
    in_bin = [
        draws.profiled[(np.abs(draws.yaw_deg) >= low) & (np.abs(draws.yaw_deg) < high)] for low, high in YAW_BINS_DEG
    ]
    assert in_bin[3].all()  # no real picture lies at 45 to 60
    assert all(0.3 < part.mean() < 0.7 for i, part in enumerate(in_bin) if i != 3)


def test_a_few_real_pictures_do_not_come_back_with_every_batch(data: FaceData) -> None:
    balance = YawBalance(data, YawBalanceConfig(enough=40))
    assert balance.real_shares == pytest.approx([0.5, 0.5 / 40, 1.0 / 40, 0.0, 0.5 / 40])
    only_real = YawBalance(data, YawBalanceConfig(real_share=1.0))
    assert only_real.real_shares.tolist() == [1, 1, 1, 0, 1]
    none_real = YawBalance(data, YawBalanceConfig(real_share=0.0)).draw(np.random.default_rng(0), 50)
    assert none_real.profiled.all()


def test_the_same_seed_draws_the_same(data: FaceData) -> None:
    first, again, other = (YawBalance(data).draw(np.random.default_rng(seed), 40) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.rows, other.rows)


def test_people_count_alike_however_many_pictures_they_have() -> None:
    data = parsed(set_of([0.0] * 60, [3.0] * 2))
    rows = YawBalance(data).draw(np.random.default_rng(0), 1000).rows
    assert (rows >= 60).mean() == pytest.approx(0.5, abs=0.05)


def test_rows_without_parsing_are_not_drawn(data: FaceData) -> None:
    some = dataclasses.replace(data, has_parsing=np.arange(len(data)) % 2 == 0)
    assert (YawBalance(some).draw(np.random.default_rng(0), 200).rows % 2 == 0).all()
    with pytest.raises(ConfigError, match="none lies at 0-15 degrees"):
        YawBalance(set_of([0.0, 30.0]))


@pytest.mark.parametrize("changes", [{"real_share": 1.5}, {"enough": 0}, {"bins_deg": ((30.0, 10.0),)}])
def test_settings_that_mean_nothing_are_refused(changes: dict) -> None:
    with pytest.raises(ConfigError):
        YawBalanceConfig(**changes)


def test_a_draw_can_be_rendered() -> None:
    model = load_morphable()
    data = face_set(model, np.random.default_rng(0), clips=0, frames=1, stills=1)
    covered = rasterise(torch.from_numpy(data.mesh_px) / 2, model.triangles, 128, 128).covered.numpy()
    data = dataclasses.replace(data, parsing=covered.astype(np.uint8))
    balance = YawBalance(data, YawBalanceConfig(straight_deg=90.0))
    face = balance.turn(model, 0, 70.0)
    assert face.yaw_deg == 70.0
    assert face.rgb.shape == (256, 256, 3)
