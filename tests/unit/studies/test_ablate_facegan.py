"""FACEGAN's tables: what is measured with and without L_T, on made-up faces whose geometry is known."""

import dataclasses
import json
import pathlib
import shutil
import types
from typing import Any

import numpy as np
import pytest
import torch

from reenact.errors import ConfigError
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import load_morphable
from reenact.hub.checkpoint import read_checkpoint
from reenact.systems.facegan.config import FaceganConfig
from reenact.systems.facegan.landmarks import normalise_landmarks, place_landmarks
from reenact.systems.facegan.networks import FaceganNetworks
from reenact.types import CropSpec, FaceImage
from studies.ablate import __main__ as command
from studies.ablate import facegan, facegan_measures, rows
from studies.ablate.arguments import AblationArguments
from studies.ablate.facegan_measures import (
    COPY,
    DIFFERENCE,
    WITH,
    WITHOUT,
    LandmarkMeasures,
    LandmarkMethod,
    MeasureConfig,
    in_words,
)
from tests.synthetic import face_set, with_parsing
from train.data.faces import FaceData
from train.evaluate.bench import Seen
from train.evaluate.bootstrap import Estimate
from train.evaluate.inputs import label_geometry
from train.evaluate.methods import CopySource
from train.recipes.facegan import PARTS

CPU = torch.device("cpu")
SMALL = FaceganConfig(crop=CropSpec(network_px=64), transformer_width=16, widths=(4, 8, 8), mixer_widths=(4, 8, 8))
FEW = MeasureConfig(self_pairs=1, cross_pairs=1, triplets=1, landmark_triplets=6, draws=50, labels=True)


@pytest.fixture(scope="module")
def faces() -> FaceData:
    """Two clips of three frames, two stills; all is background, and nobody's expression is labelled."""
    data = face_set(load_morphable(), np.random.default_rng(3), clips=2, frames=3, stills=2)
    return dataclasses.replace(data, blendshapes=np.zeros_like(data.blendshapes))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Untrained: L_T moves nothing."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    PARTS.write(FaceganNetworks(SMALL), {}, SMALL, folder, {})
    return folder


@pytest.fixture
def measures(faces: FaceData, monkeypatch: pytest.MonkeyPatch) -> LandmarkMeasures:
    """Instead of a tracker, which knows no painted faces, one that finds every face where the first one is."""
    found = LandmarkMeasures(faces, "none", 0, FEW)
    geometry = label_geometry(faces, 0)

    def see(_: Any) -> Seen:
        embedding = torch.nn.functional.normalize(torch.ones(1, 4), dim=1)[0]
        return Seen(
            mesh_px=geometry.mesh_px[0],
            rotation=geometry.rotation[0],
            action_units=geometry.action_units[0],
            embeddings={"csim": embedding},
        )

    monkeypatch.setattr(found.bench, "see", see)
    return found


def test_pairs_are_of_two_people_and_triplets_of_three_pictures(measures: LandmarkMeasures, faces: FaceData) -> None:
    assert {part: len(jobs) for part, jobs in measures.jobs.items()} == {"self": 1, "cross": 1, "triplet": 1}
    for part, jobs in measures.jobs.items():
        for job in jobs:
            same = faces.person[job.source] == faces.person[job.driving[0]]
            assert same == (part == "self")
            assert (job.neutral is job.source_geometry) == (part == "self"), "else the head stays on its neck"
    source, driving, second = measures.triplets.T
    assert (faces.person[source] == faces.person[second]).all()
    assert (faces.person[source] != faces.person[driving]).all()
    drawn = [(job.source, job.driving[0], job.second) for job in measures.jobs["triplet"]]
    assert sorted(drawn) == sorted(map(tuple, measures.triplets[:1].tolist()))


def test_without_the_transformer_the_driver_s_shape_is_drawn_on_the_source_s_head(
    measures: LandmarkMeasures, faces: FaceData, weights: pathlib.Path
) -> None:
    method = LandmarkMethod(weights, CPU, with_transformer=False)
    source, driving = label_geometry(faces, 0), label_geometry(faces, 4)
    model = method.facegan.rig.model
    expected = normalise_landmarks(driving.mesh_px, model.fit(driving.mesh_px).pose)
    torch.testing.assert_close(method.landmarks(source, driving), expected)

    job = measures.jobs["cross"][0]
    image = torch.from_numpy(faces.rgb[job.source]).permute(2, 0, 1)[None] / 255
    encoded = method.encode(FaceImage(rgb=image, crop_from_frame=torch.eye(3)[None]), job.source_geometry)
    driven = method.drive(encoded, job.driving_geometry, job.neutral, "absolute")
    torch.testing.assert_close(driven.pose.scale, encoded.motion.pose.scale)
    shape = normalise_landmarks(job.driving_geometry.mesh_px, model.fit(job.driving_geometry.mesh_px).pose)
    torch.testing.assert_close(driven.landmarks, place_landmarks(shape, driven.pose))


def test_an_untrained_transformer_keeps_the_source_s_shape(faces: FaceData, weights: pathlib.Path) -> None:
    method = LandmarkMethod(weights, CPU, with_transformer=True)
    source, driving = label_geometry(faces, 0), label_geometry(faces, 4)
    own = normalise_landmarks(source.mesh_px, method.facegan.rig.model.fit(source.mesh_px).pose)
    torch.testing.assert_close(method.landmarks(source, driving), own)


def test_lsim_of_landmarks_is_that_of_the_labels(
    measures: LandmarkMeasures, faces: FaceData, weights: pathlib.Path
) -> None:
    copied = measures.landmark_errors(CopySource())
    still = measures.landmark_errors(LandmarkMethod(weights, CPU, with_transformer=True))
    direct = measures.landmark_errors(LandmarkMethod(weights, CPU, with_transformer=False))
    np.testing.assert_allclose(still, copied, rtol=1e-3, atol=1e-7, err_msg="an untrained L_T moves nothing")
    assert len(direct) == 6
    assert np.abs(direct - copied).max() > 1e-5
    source, _, second = measures.triplets[0]
    points = [faces.mesh_px[row][list(LANDMARKS_68), :2] for row in (source, second)]
    middles = [(each[36:42].mean(0) + each[42:48].mean(0)) / 2 for each in points]
    gap = ((points[0] - middles[0]) - (points[1] - middles[1])) / 128
    assert copied[0] == pytest.approx(float((gap**2).mean()), rel=1e-3)


def test_every_column_has_its_rows(measures: LandmarkMeasures, weights: pathlib.Path) -> None:
    figures = measures.measure(weights)
    for row in (WITH, WITHOUT, DIFFERENCE, COPY):
        for column in facegan_measures.COLUMNS_1 + facegan_measures.COLUMNS_2:
            figure = figures[f"{row}: {column.title}"]
            assert (figure is None) == (column.key == "csim_judge"), "only the judge is not there"
    assert str(figures[f"{WITH}: cross CSIM ↑"]).startswith("1.000")
    assert str(figures[f"{DIFFERENCE}: cross CSIM ↑"]).startswith("0.000")
    with_and_without = (figures[f"{row}: self MSE ↓"] for row in (WITH, WITHOUT))
    assert len(set(with_and_without)) == 2, "an untrained L_T leaves the face as it is"


def test_an_interval_is_said_with_its_mean() -> None:
    assert in_words(Estimate(mean=0.5, low=0.25, high=0.75, count=3), 2) == "0.50 [0.25, 0.75]"
    assert in_words(Estimate(mean=0.5, low=None, high=None, count=1), 3) == "0.500"


def test_the_paper_s_figures_are_those_of_the_paper() -> None:
    assert facegan.PAPER_1[WITH] == (0.018, 0.747, 0.811, 0.012)
    assert facegan.PAPER_1[WITHOUT] == (0.015, 0.623, 0.885, 0.014)
    gaps = np.subtract(facegan.PAPER_1[WITH], facegan.PAPER_1[WITHOUT])
    np.testing.assert_allclose(np.array(facegan.PAPER_1[DIFFERENCE], float), gaps.astype(float), atol=1e-9)
    assert facegan.PAPER_2 == {WITH: (0.021,)}


def test_given_weights_are_measured_and_nothing_is_trained(
    faces: FaceData,
    weights: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_training(*_: Any, **__: Any) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(facegan, "load_faces", lambda *_: faces)
    titles = [column.title for column in facegan_measures.COLUMNS_1 + facegan_measures.COLUMNS_2]
    figures = {f"{row}: {title}": row for row in (WITH, WITHOUT, DIFFERENCE, COPY) for title in titles}
    beside = dict.fromkeys(titles, "beside")
    measures = types.SimpleNamespace(
        measure=lambda folder: figures if folder == weights else None, measure_beside=lambda _: beside
    )
    monkeypatch.setattr(facegan, "LandmarkMeasures", lambda *_: measures)
    monkeypatch.setattr(rows, "run", no_training)
    words = ["facegan", "--data", "none", "--out", str(tmp_path / "out"), "--checkpoint", str(weights)]
    assert command.main([*words[:-2], "--beside", "correspondence", *words[-2:]]) == 0
    text = capsys.readouterr().out
    assert "| given weights w L_T | – | with |" in text or "| given weights w L_T | with |" in text
    assert "Table 2: LSIM" in text
    assert "| correspondence | – | beside |" in text
    kept = list((tmp_path / "out").glob("given-*.json"))
    assert len(kept) == 1
    assert json.loads(kept[0].read_text())["settings"]["sha256"][:8] in kept[0].name

    monkeypatch.setattr(facegan, "LandmarkMeasures", no_training)
    assert command.main(words) == 0, "a finished row is not measured again"
    shutil.rmtree(tmp_path / "out")
    assert command.main([*words[:-1], str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.slow
def test_modules_are_trained_joined_and_measured(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, fresh_accelerator: Any
) -> None:
    faces = with_parsing(face_set(load_morphable(), np.random.default_rng(3), clips=2, frames=2, stills=1), hair=True)
    measured: list[pathlib.Path] = []

    def measure(folder: pathlib.Path) -> dict[str, str]:
        measured.append(folder)
        columns = facegan_measures.COLUMNS_1 + facegan_measures.COLUMNS_2
        return {f"{row}: {c.title}": row for row in (WITH, WITHOUT, DIFFERENCE, COPY) for c in columns}

    monkeypatch.setattr(facegan, "load_faces", lambda *_: faces)
    monkeypatch.setattr(facegan, "LandmarkMeasures", lambda *_: types.SimpleNamespace(measure=measure))
    monkeypatch.setattr(
        facegan, "VARIANTS", {"plain": dataclasses.replace(SMALL, source_warp=False, layered=False), "warp": SMALL}
    )
    monkeypatch.setattr(facegan, "PRESETS", {"tiny": SMALL})
    words = ["facegan", "--data", "none", "--out", str(tmp_path), "--steps", "1", "--batch-size", "2", "--side", "64"]
    assert command.main(words) == 0
    assert measured == [tmp_path / "plain" / "export", tmp_path / "warp" / "export"]
    assert read_checkpoint(measured[1]).config["training"]["parts"] == ["transformer", "reenactor"]
    assert {path.stem for path in tmp_path.glob("*.json")} >= {"landmarks", "reenactor-plain", "background-plain"}


def test_the_other_system_refuses_weights() -> None:
    arguments = AblationArguments(system="dual_generator", data="none", out=pathlib.Path("none"), checkpoint="facegan")
    with pytest.raises(ConfigError, match="--checkpoint is for facegan"):
        command._refuse_options_of_others(arguments)
