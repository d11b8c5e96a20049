"""Parts of a system travel from run to run and join in one checkpoint."""

import dataclasses
import pathlib

import pytest
import torch

from reenact.errors import CheckpointError, ConfigError
from reenact.hub.checkpoint import read_checkpoint
from reenact.systems.dual_generator.config import PRESETS as DUAL_GENERATOR_PRESETS
from reenact.systems.facegan.networks import FaceganNetworks
from tests.unit.train.recipes.tiny_tasks import (
    FACEGAN,
    face_task,
    landmark_task,
    reenactor_task,
    shape_task,
    whole_task,
)
from train.data.faces import FaceData
from train.recipes.dual_generator import PARTS as DUAL_GENERATOR_PARTS
from train.recipes.dual_generator import face_cross
from train.recipes.facegan import PARTS as FACEGAN_PARTS
from train.run.export import write_model
from train.run.options import RecipeOptions


def test_both_generators_join_in_one_checkpoint(faces: FaceData, tmp_path: pathlib.Path) -> None:
    shape, face = shape_task(faces), face_task(faces)
    shape.export(shape.networks, tmp_path / "shape", {})
    assert {name.split(".")[0] for name in read_checkpoint(tmp_path / "shape").weights} == {"shape"}
    face.start_from(tmp_path / "shape")
    face.export(face.networks, tmp_path / "both", {})
    both = read_checkpoint(tmp_path / "both", model="dual_generator")
    assert both.config["training"]["parts"] == ["shape", "face"]
    assert torch.equal(both.weights["shape.encoder.0.weight"], shape.networks.shape.encoder[0].weight.half())
    face.start_from(None)
    with pytest.raises(CheckpointError):
        face_task(faces, dataclasses.replace(DUAL_GENERATOR_PRESETS["tiny"], source_features=False)).start_from(
            tmp_path / "shape"
        )


def test_modules_travel_from_run_to_run(faces: FaceData, tmp_path: pathlib.Path) -> None:
    first, second = landmark_task(faces), reenactor_task(faces)
    first.export(first.networks, tmp_path / "first", {})
    second.start_from(tmp_path / "first")
    second.export(second.networks, tmp_path / "second", {})
    found = FACEGAN_PARTS.read(tmp_path / "second")
    assert found.keys() == {"reenactor", "transformer"}
    kept, shipped = found["transformer"]["enter.weight"], first.networks.transformer.enter.weight
    torch.testing.assert_close(kept.float(), shipped.half().float())
    both = FACEGAN_PARTS.read(pathlib.Path(f"{tmp_path / 'first'}:{tmp_path / 'second'}"))
    assert both.keys() == {"reenactor", "transformer"}
    assert FACEGAN_PARTS.read(pathlib.Path(f"{tmp_path / 'second'}@reenactor")).keys() == {"reenactor"}
    with pytest.raises(CheckpointError, match="first holds no mixer, only transformer"):
        FACEGAN_PARTS.read(pathlib.Path(f"{tmp_path / 'first'}@mixer"))


def test_a_folder_without_parts_is_refused(tmp_path: pathlib.Path) -> None:
    write_model(torch.nn.ModuleDict({"other": torch.nn.Linear(2, 2)}), tmp_path, {"model": "dual_generator"}, {})
    with pytest.raises(CheckpointError, match="holds other; the parts of dual_generator are shape, face"):
        DUAL_GENERATOR_PARTS.read(tmp_path)


def test_end_to_end_needs_all_modules(faces: FaceData, tmp_path: pathlib.Path) -> None:
    landmarks, whole = landmark_task(faces), whole_task(faces)
    landmarks.export(landmarks.networks, tmp_path / "one", {})
    with pytest.raises(ConfigError, match=r"lacks reenactor \(recipe facegan_reenactor\)\."):
        whole.start_from(tmp_path / "one")
    networks = FaceganNetworks(FACEGAN)
    FACEGAN_PARTS.write(networks, {}, FACEGAN, tmp_path / "all", {})
    whole.start_from(tmp_path / "all")
    for name, value in networks.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(whole.networks.facegan.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_what_a_recipe_does_not_have_is_refused(faces: FaceData, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="train dual_generator_face first"):
        face_cross.build(faces, faces, RecipeOptions(out=tmp_path))
    with pytest.raises(ConfigError, match="leave --stream out"):
        shape_task(faces).use_data(faces)
