"""The sheet of directions, of a toy system."""

import pathlib

import pytest
import torch

from reenact.media import read_image
from tests.contract.systems import build, network_of
from train.latent_sheet import draw_directions, main
from train.run.export import write_model


@pytest.fixture
def checkpoint(tmp_path: pathlib.Path) -> pathlib.Path:
    system = build("latent_directions", prepared=False)
    folder = tmp_path / "toy"
    write_model(system.networks, folder, {"model": "latent_directions", "network": network_of("latent_directions")}, {})
    return folder


def test_a_row_shows_what_its_column_does() -> None:
    networks = build("latent_directions").networks
    with torch.no_grad():
        networks.directions.matrix[..., 1] = 0
    sheet = draw_directions(networks, seed=0, truncation=0.6, rows=3, reach=2.0)
    assert sheet.shape == (3 * (18 + 32), 5 * 32, 3)
    rows = [sheet[50 * i + 18 : 50 * (i + 1)] for i in range(3)]
    assert all((row[:, 64:96] == rows[0][:, 64:96]).all() for row in rows), "the same person in the middle"
    assert (rows[0][:, :32] != rows[0][:, 128:]).any()
    assert (rows[1][:, :32] == rows[1][:, 128:]).all(), "a column of zeros changes nothing"


def test_the_command_writes_the_same_sheet_for_the_same_seed(checkpoint: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        words = [
            "--checkpoint",
            str(checkpoint),
            "--seed",
            str(seed),
            "--rows",
            "2",
            "-o",
            str(tmp_path / f"{name}.png"),
        ]
        assert main(words) == 0
    first, again, other = (read_image(tmp_path / f"{name}.png").rgb for name in "abc")
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--truncation", "1.5"], "truncation is 1.5; it must be between 0 and 1"),
        (["--seed", "-1"], "seed must be from 0 to "),
        (["--seed", "99999999999999999999"], "seed must be from 0 to "),
        (["--reach", "nan"], "reach is nan; it must be a number above 0"),
        (["--checkpoint", "correspondence"], "correspondence holds 'correspondence', which has no latent directions"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(
    words: list[str], text: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "-o", str(tmp_path / "x.png")]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
