"""Weights for inference."""

import json
import pathlib

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from reenact.errors import CheckpointError
from reenact.hub.checkpoint import load_weights, read_checkpoint
from train.run.export import as_loaded, start_from, write_model


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 2, 1))
    layers.register_buffer("order", torch.tensor([2, 0, 1]))
    layers.train()(torch.randn(8, 3, 8, 8) * 2 + 1)  # statistics that are not the initial ones
    return layers.eval()


def test_nothing_that_inference_needs_is_dropped(tmp_path: pathlib.Path) -> None:
    """A fresh network with the file's weights answers as the one that was written, rounded alike."""
    written, fresh = network(0), network(1)
    write_model(written, tmp_path, {"model": "toy", "network": {"width": 4}}, {"steps": 3})
    checkpoint = read_checkpoint(tmp_path, model="toy")
    load_weights(fresh, checkpoint.weights, where=tmp_path)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(fresh(x), as_loaded(written)(x), atol=1e-6, rtol=0)
    assert torch.equal(fresh.order, written.order)
    assert checkpoint.config["network"] == {"width": 4}
    assert checkpoint.config["training"] == {"steps": 3}


def test_floats_are_halved_whole_numbers_kept_and_counters_left_out(tmp_path: pathlib.Path) -> None:
    write_model(network(), tmp_path, {"model": "toy", "network": {}}, {})
    weights = load_file(tmp_path / "model.safetensors")
    assert weights["0.weight"].dtype == torch.float16
    assert weights["order"].dtype == torch.int64
    assert set(network().state_dict()) - set(weights) == {"1.num_batches_tracked"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert json.loads((tmp_path / "config.json").read_text())["format_version"] == 1


def test_rounding_changes_weights_by_half_precision_alone() -> None:
    plain, rounded = network(), as_loaded(network())
    for one, other in zip(plain.state_dict().values(), rounded.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
    assert not torch.equal(plain[0].weight, rounded[0].weight)


def test_a_run_may_start_from_exported_weights(tmp_path: pathlib.Path) -> None:
    write_model(network(0), tmp_path, {"model": "toy", "network": {}}, {})
    other, untouched = network(1), network(1)
    start_from(other, tmp_path)
    torch.testing.assert_close(other[0].weight, network(0)[0].weight, rtol=1e-3, atol=1e-6)
    start_from(untouched, None)
    assert torch.equal(untouched[0].weight, network(1)[0].weight)


def test_weights_of_another_network_do_not_start_a_run(tmp_path: pathlib.Path) -> None:
    write_model(nn.Linear(3, 2), tmp_path, {"model": "toy", "network": {}}, {})
    with pytest.raises(CheckpointError, match=r"do not fit Linear: 1 mis-shaped \(weight is 2x3, needs 2x4\)"):
        start_from(nn.Linear(4, 2), tmp_path)
    with pytest.raises(CheckpointError, match="and Sequential have no name in common"):
        start_from(network(), tmp_path)
    with pytest.raises(CheckpointError, match="No checkpoint folder"):
        start_from(network(), tmp_path / "nowhere")


def test_a_run_may_start_from_a_part(tmp_path: pathlib.Path) -> None:
    whole = network(1)
    write_model(nn.ModuleDict({"0": whole[0], "9": nn.Linear(1, 1)}), tmp_path, {"model": "toy", "network": {}}, {})
    other = network(2)
    last = other[3].weight.clone()
    start_from(other, tmp_path)
    torch.testing.assert_close(other[0].weight, whole[0].weight, rtol=1e-3, atol=1e-6)
    assert torch.equal(other[3].weight, last)


def test_a_card_is_written_and_kept_once_somebody_changed_it(tmp_path: pathlib.Path) -> None:
    facts = {"command": "-m train toy --data /home/me/faces", "validation": {"psnr": 25.0}}
    write_model(network(), tmp_path, {"model": "toy", "network": {}}, facts)
    path = tmp_path / "README.md"
    assert "| PSNR, dB | 25 |" in path.read_text()
    write_model(network(), tmp_path, {"model": "toy", "network": {}}, facts | {"validation": {"psnr": 26.0}})
    assert "| PSNR, dB | 26 |" in path.read_text()
    path.write_text("---\nlicense: mit\n---\n\n# Mine\n")
    write_model(network(), tmp_path, {"model": "toy", "network": {}}, facts)
    assert path.read_text().endswith("# Mine\n")
