"""Weights in the naming of public StyleGAN2 checkpoints."""

import pathlib

import pytest
import torch
from safetensors.torch import save_file

from reenact.errors import CheckpointError
from reenact.hub.checkpoint import read_checkpoint
from reenact.systems.latent_directions.config import PRESETS
from reenact.systems.latent_directions.networks import LatentDirectionsNetworks
from tests.unit.systems.test_latent_directions_networks import TOY
from train.import_stylegan2 import main, read_generator, their_name


def public_names(side_log2: int) -> set[str]:
    """Names that the published PyTorch generator has, written down from its modules; 4 px is 2."""
    styled = ["conv.weight", "conv.modulation.weight", "conv.modulation.bias", "noise.weight", "activate.bias"]
    to_rgb = ["conv.weight", "conv.modulation.weight", "conv.modulation.bias", "bias"]
    names = {"input.input"} | {f"conv1.{name}" for name in styled} | {f"to_rgb1.{name}" for name in to_rgb}
    for level in range(side_log2 - 2):
        names |= {f"convs.{2 * level}.{name}" for name in styled} | {f"convs.{2 * level + 1}.{name}" for name in styled}
        names |= {f"to_rgbs.{level}.{name}" for name in to_rgb}
    return names


def made_checkpoint(path: pathlib.Path) -> tuple[LatentDirectionsNetworks, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    networks = LatentDirectionsNetworks(TOY)
    theirs: dict[str, torch.Tensor] = {}
    for part in ("mapping", "generator"):
        for name, value in getattr(networks, part).state_dict().items():
            if name == "row_offsets":
                continue
            value.normal_()
            shape = value.shape
            if name.endswith("conv.weight"):
                shape = (1, *shape)
            elif "rgb" in name and name.endswith("bias") and "style" not in name:
                shape = (1, 3, 1, 1)
            theirs[their_name(f"{part}.{name}")] = value.reshape(shape).clone()
    theirs["noises.noise_0"] = torch.zeros(1, 1, 4, 4)
    theirs["convs.0.conv.blur.kernel"] = torch.ones(4, 4)
    save_file(theirs, path)
    return networks, theirs


def test_every_weight_has_the_published_name() -> None:
    config = PRESETS["paper"]
    with torch.device("meta"):
        networks = LatentDirectionsNetworks(config)
    ours = {f"{part}.{name}" for part in ("mapping", "generator") for name in getattr(networks, part).state_dict()}
    style = {f"style.{i}.{kind}" for i in range(1, 9) for kind in ("weight", "bias")}
    ours.remove("mapping.row_offsets")
    assert {their_name(name) for name in ours} == public_names(8) | style | {"latent_avg"}


def test_an_imported_generator_draws_the_same(tmp_path: pathlib.Path) -> None:
    networks, _ = made_checkpoint(tmp_path / "g.safetensors")
    read = read_generator(tmp_path / "g.safetensors", TOY)
    z = torch.randn(2, TOY.latent)
    assert torch.equal(read.generator(read.sample_w(z, 0.7)), networks.generator(networks.sample_w(z, 0.7)))


def test_without_a_mean_the_mean_of_many_is_taken(tmp_path: pathlib.Path) -> None:
    _, theirs = made_checkpoint(tmp_path / "g.safetensors")
    del theirs["latent_avg"]
    save_file(theirs, tmp_path / "g.safetensors")
    read = read_generator(tmp_path / "g.safetensors", TOY)
    torch.testing.assert_close(
        read.mapping.mean_w, read.mapping(torch.randn(4096, TOY.latent)).mean(0), atol=0.1, rtol=0
    )


def test_the_command_writes_a_folder_to_start_from(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PRESETS, "paper", TOY)
    made_checkpoint(tmp_path / "g.safetensors")
    assert main([str(tmp_path / "g.safetensors"), "-o", str(tmp_path / "start")]) == 0
    kept = read_checkpoint(tmp_path / "start", model="latent_directions")
    assert {name.partition(".")[0] for name in kept.weights} == {"mapping", "generator"}
    (tmp_path / "g.safetensors").write_bytes(b"no")
    assert main([str(tmp_path / "g.safetensors"), "-o", str(tmp_path / "other")]) == 2
    assert "is no readable safetensors file" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda w: w.pop("conv1.conv.weight"), "lacks conv1.conv.weight and also has nothing"),
        (lambda w: w.update({"convs.9.conv.weight": torch.zeros(1)}), "lacks nothing and also has convs.9.conv.weight"),
        (lambda w: w.update({"input.input": torch.zeros(1, 5, 4, 4)}), r"input.input in .* is \(1, 5, 4, 4\)"),
    ],
)
def test_another_network_is_refused(tmp_path: pathlib.Path, change: object, text: str) -> None:
    _, theirs = made_checkpoint(tmp_path / "g.safetensors")
    change(theirs)  # type: ignore[operator]
    save_file(theirs, tmp_path / "g.safetensors")
    with pytest.raises(CheckpointError, match=text):
        read_generator(tmp_path / "g.safetensors", TOY)
