"""From outcomes to a ranked table."""

import dataclasses
import json
import math
import pathlib

import numpy as np
import pytest
import torch

from tests.unit.train.evaluate.made_up import outcome, set_of
from train.data.faces import FaceData
from train.evaluate.bootstrap import Estimate
from train.evaluate.catalogue import BY_KEY, METRICS
from train.evaluate.cost import Cost
from train.evaluate.jobs import REAL, Outcome
from train.evaluate.pairs import Pair, PairSet
from train.evaluate.report import Report, describe_machine, save_values
from train.evaluate.settings import Settings
from train.evaluate.summary import gains, mean_ranks, summarise
from train.evaluate.table import cell, save_report, to_markdown


@pytest.fixture
def data() -> FaceData:
    """Two people; the first clip turns from 0 to 65 degrees."""
    return set_of([0.0, 10.0, 40.0, 65.0], [0.0, 5.0])


@pytest.fixture
def outcomes() -> list[Outcome]:
    """A system better than a copy by 2 dB on the first person and by 4 dB on the second."""
    found = []
    for row, base in ((1, 20.0), (2, 22.0), (3, 24.0), (5, 30.0)):
        source = 0 if row < 4 else 4
        gain = 2.0 if row < 4 else 4.0
        found.append(outcome("net", row, source, psnr_db=base + gain, csim=0.8, found=1.0))
        found.append(outcome("copy", row, source, psnr_db=base, csim=1.0, found=1.0))
        found.append(outcome(REAL, row, source, csim=0.9))
    return found


def estimate(mean: float) -> Estimate:
    return Estimate(mean=mean, low=None, high=None, count=1)


def test_rows_have_means_counts_and_bins(data: FaceData, outcomes: list[Outcome]) -> None:
    rows = {row.label: row for row in summarise(outcomes, ["net", "copy"], data, 200)}
    assert rows["net"].metrics["psnr_db"].mean == pytest.approx(26.5)
    assert rows["net"].metrics["psnr_db"].count == 4
    assert rows[REAL].metrics["csim"].mean == pytest.approx(0.9)
    assert rows[REAL].mean_rank is None
    bins = rows["copy"].by_yaw
    assert list(bins) == ["0-30", "30-60", "60-90"]
    assert [bins[name]["psnr_db"].mean for name in bins] == [25.0, 22.0, 24.0]
    turns = rows["copy"].by_turn
    assert [turns[name].get("psnr_db", estimate(math.nan)).count for name in turns] == [2, 1, 1, 1, 1, 1]
    assert turns["45-60"] == {}
    assert turns["30-45"]["psnr_db"].mean == 22.0


def test_gains_are_paired(data: FaceData, outcomes: list[Outcome]) -> None:
    (gain,) = gains(outcomes, ["net"], ["copy"], data, 500)
    psnr = gain.metrics["psnr_db"]
    assert psnr.mean == pytest.approx(2.5)
    assert (psnr.low, psnr.high) == (2.0, 4.0)  # only one person drawn, or only the other
    assert gain.metrics["csim"].mean == pytest.approx(-0.2)


def test_ranks_are_means_of_places_over_shared_measures() -> None:
    rows = [
        {"ssim": estimate(0.9), "l1": estimate(0.02), "akd_px": estimate(1.0)},
        {"ssim": estimate(0.8), "l1": estimate(0.01), "akd_px": estimate(2.0)},
        {"ssim": estimate(0.80004), "l1": estimate(0.03)},  # SSIM equal as printed; AKD is not shared
    ]
    assert mean_ranks(rows) == [1.5, 1.75, 2.75]
    assert mean_ranks([{"ssim": estimate(1)}, {"l1": estimate(1)}]) == [None, None]
    assert mean_ranks([]) == []


def test_the_best_row_comes_first_in_each_mode(data: FaceData) -> None:
    found = [outcome("a", 1, mode=mode, ed=0.5, csim=0.4) for mode in ("absolute", "relative")]
    found += [outcome("b", 1, mode=mode, ed=0.2, csim=0.6) for mode in ("absolute", "relative")]
    rows = summarise(found, ["a", "b"], data, 50)
    assert [(row.label, row.mode) for row in rows] == [
        ("b", "absolute"),
        ("a", "absolute"),
        ("b", "relative"),
        ("a", "relative"),
    ]
    assert [row.mean_rank for row in rows] == [1.0, 2.0, 1.0, 2.0]


def test_set_measures_compare_with_the_real_pictures(data: FaceData) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, 4)).astype(np.float32)
    found = []
    for row in (1, 2, 3):
        for name, shift in (("a", 2.0), (REAL, 0.0)):
            values = {"csim": 1.0} if name == "a" else {}
            each = Outcome(
                method=name,
                mode="absolute",
                kind="pair",
                source=0,
                driving=row,
                values=values,
                features={"frechet_identity": features[row - 1] + shift},
            )
            found.append(each)
    (row,) = summarise(found, ["a"], data, 50)
    distance = row.metrics["frechet_identity"]
    assert distance.mean == pytest.approx(4 * 4.0, rel=1e-4)
    assert (distance.low, distance.high, distance.count) == (None, None, 3)


def test_lids_are_compared_over_all_pairs(data: FaceData) -> None:
    found = []
    for row, true in ((1, 0.1), (2, 0.2), (3, 0.4)):
        values = {"eye_right_source": 0.3, "eye_left_source": 0.3, "eye_right_true": true, "eye_left_true": true}
        found.append(outcome("a", row, eye_right=0.3 + 0.5 * (true - 0.3), eye_left=0.25, **values))
    (row,) = summarise(found, ["a"], data, 50)
    assert row.metrics["lid_slope_right"].mean == pytest.approx(0.5, abs=1e-5)
    assert row.metrics["lid_correlation_right"].mean == pytest.approx(1, abs=1e-5)
    assert (row.metrics["lid_slope_left"].mean, row.metrics["lid_slope_left"].count) == (pytest.approx(0, abs=1e-5), 3)
    assert "lid_correlation_left" not in row.metrics, "lids that never move have none"


def test_the_kernel_distance_of_real_frames_is_between_their_halves(data: FaceData) -> None:
    rng = np.random.default_rng(0)
    found = []
    for row in range(1, 6):
        for name, shift in (("a", 1.0), (REAL, 0.0)):
            each = outcome(name, row)
            feature = (rng.normal(size=8) + shift).astype(np.float32)
            found.append(dataclasses.replace(each, values={"csim": 1.0}, features={"kid": feature}))
    net, real = summarise(found, ["a"], data, 50)
    assert net.metrics["kid"].count == 5
    assert net.metrics["kid"].low < net.metrics["kid"].mean < net.metrics["kid"].high
    assert abs(real.metrics["kid"].mean) < 0.5 * net.metrics["kid"].mean


def test_a_ratio_is_best_near_one(data: FaceData, report: Report) -> None:
    found = [outcome("sharp", 1, rim_sharpness=1.6), outcome("near", 1, rim_sharpness=0.8)]
    rows = summarise(found, ["sharp", "near"], data, 50)
    assert [(row.label, row.mean_rank) for row in rows] == [("near", 1.0), ("sharp", 2.0)]
    text = to_markdown(dataclasses.replace(report, rows=tuple(rows), gains=()))
    assert "| rim sharpness → 1 | **0.80** | 1.60 |" in text


@pytest.fixture
def report(data: FaceData, outcomes: list[Outcome]) -> Report:
    settings = Settings(system=("net",), data="/home/someone/DATA/", out=pathlib.Path("out"))
    return Report(
        settings=settings,
        pairs=PairSet(
            protocol="self",
            split="val",
            seed=0,
            pairs=(Pair(source="c0:0", target="c0:1"),) * 4,
            found={"driving_people": 2},
            note="A note.",
        ),
        pairs_sha256="ab" * 32,
        rows=tuple(summarise(outcomes, ["net", "copy"], data, 200)),
        gains=tuple(gains(outcomes, ["net"], ["copy"], data, 200)),
        costs={"net": Cost(ms_per_frame=12.34, gmac_per_frame=2.5, gmac_per_source=0.5, threads=2)},
        facts={
            "net": {"kind": "system", "system": "correspondence", "checkpoint": "net", "sha256": "cd" * 32},
            "copy": {"kind": "baseline"},
        },
        networks={"tracker": {"name": "checkpoints/perception/tracker", "sha256": "ef" * 32}},
        left_out={"lpips": "no backbone weights (--lpips-weights)", "fid": "no Inception weights (--inception)"},
        lost=3,
        checks={"net": {"sharpness": 0.84}, "tracker": {"jitter": 0.06}},
        made={
            "commit": "abc1234",
            "device": "cpu",
            "processor": "a processor",
            "versions": {"torch": "2.8"},
        },
    )


def test_the_table_ranks_methods_and_shows_intervals(report: Report) -> None:
    lines = to_markdown(report).splitlines()
    assert lines[0] == "# self: 4 pairs of split 'val', 2 driving people"
    assert "**A note.**" in lines
    assert "3 pairs, runs or triplets left out: no face found in an input." in lines
    header = next(line for line in lines if line.startswith("| self |"))
    assert header == f"| self | net | copy | {REAL} |"
    assert "| PSNR, dB ↑ | **26.50** [24.00, 34.00] | 24.00 [22.00, 30.00] | – |" in lines
    assert "| CSIM ↑ | 0.800 [0.800, 0.800] | **1.000** [1.000, 1.000] | 0.900 [0.900, 0.900] |" in lines
    assert "| mean rank ↓ | 1.50 | 1.50 | – |" in lines
    assert "| ms a frame ↓ | 12.3 | – | – |" in lines
    assert "| GMAC a frame ↓ | 2.50 | – | – |" in lines

    text = "\n".join(lines)
    assert "- LPIPS: no backbone weights (--lpips-weights)" in text
    assert "- FID: no Inception weights (--inception)" in text
    assert "| LPIPS" not in text
    assert "| FID" not in text
    assert "- AKD: mean distance of 68 landmarks, pixels at 256; detector + tracker" in lines
    assert f"- tracker: checkpoints/perception/tracker, sha256 {'ef' * 8}" in lines
    assert f"- system net: net, sha256 {'cd' * 8}" in lines
    assert "- commit abc1234, torch 2.8" in lines
    known = {"detector", "tracker", "identity", "parser", "efficientnet", "judge", "lpips", "inception"}
    assert {role for metric in METRICS for role in metric.networks} <= known


def test_bins_without_pairs_are_marked(report: Report) -> None:
    lines = to_markdown(report).splitlines()
    assert "| 60-90 (1): PSNR, dB ↑ | 26.00 | 24.00 |" in lines
    assert not any("no pairs" in line for line in lines)
    empty = set_of([0.0, 10.0], [0.0, 5.0])
    rows = summarise([outcome("net", 1, psnr_db=20.0)], ["net"], empty, 10)
    text = to_markdown(dataclasses.replace(report, rows=tuple(rows)))
    assert "| 60-90: no pairs | – |" in text


def test_the_report_is_plain_json_without_paths_of_the_machine(report: Report, tmp_path: pathlib.Path) -> None:
    save_report(report, tmp_path)
    assert (tmp_path / "report.md").read_text().startswith("# self")
    text = (tmp_path / "report.json").read_text()
    content = json.loads(text)
    assert (content["kind"], content["protocol"]) == ("reenact-evaluation", "self")
    assert content["settings"]["data"] == "DATA"
    assert "/home/someone" not in text
    assert content["rows"][0]["metrics"]["psnr_db"]["count"] == 4
    assert content["rows"][0]["cost"]["gmac_per_frame"] == 2.5
    assert content["rows"][0]["sha256"] == "cd" * 32
    assert content["left_out"]["fid"].startswith("no Inception")
    assert content["metrics"]["csim"]["networks"] == ["detector", "tracker", "identity"]
    assert content["gains"][0]["over"] == "copy"


def test_rows_are_found_by_name(report: Report) -> None:
    assert report.row("copy").metrics["psnr_db"].mean == 24.0
    with pytest.raises(KeyError, match="nobody"):
        report.row("nobody")


def test_values_are_saved_as_a_table(data: FaceData, outcomes: list[Outcome], tmp_path: pathlib.Path) -> None:
    save_values(outcomes, data, tmp_path / "values.csv")
    lines = (tmp_path / "values.csv").read_text().splitlines()
    assert lines[0].startswith("method,mode,kind,source,driving,driver,yaw_deg,ssim,psnr_db")
    assert lines[1].startswith("net,absolute,pair,c0:0,c0:1,0,10.0,,22,")
    assert len(lines) == 1 + 12


def test_cells_show_what_is_known() -> None:
    metric = BY_KEY["ssim"]
    assert cell(None, metric) == "–"
    assert cell(estimate(0.5), metric) == "0.500"
    assert cell(Estimate(mean=0.5, low=0.25, high=0.75, count=9), metric, best=True) == "**0.500** [0.250, 0.750]"


def test_the_machine_is_described() -> None:
    made = describe_machine(torch.device("cpu"))
    assert torch.__version__.startswith(made["versions"]["torch"].partition("+")[0])
    assert made["cores"] >= 1
    assert made["device"] == "cpu"
