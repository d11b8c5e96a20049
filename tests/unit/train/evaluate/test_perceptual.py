"""LPIPS and Inception with weights from files; other files are refused."""

import dataclasses
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

from reenact.errors import UnsupportedInputError
from tests.unit.train.evaluate.made_up import settings
from train.evaluate.networks import left_out
from train.evaluate.perceptual import (
    Inception,
    Lpips,
    find_backbone,
    find_inception,
    read_tensors,
    recognise_backbone,
)

CPU = torch.device("cpu")


@pytest.fixture
def hub(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """torch's download folder, empty."""
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder.parent))
    return folder


@pytest.fixture(scope="session")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Feature layers of an untrained AlexNet."""
    models = pytest.importorskip("torchvision.models", reason="torchvision (extra metrics) is not installed")
    torch.manual_seed(0)
    weights = models.alexnet(weights=None).features.state_dict()
    path = tmp_path_factory.mktemp("weights") / "alexnet-owt-made-up.pth"
    torch.save({f"features.{name}": value for name, value in weights.items()}, path)
    return path


def test_lpips_of_equal_pictures_is_nil_and_of_others_is_not(alexnet: pathlib.Path) -> None:
    pytest.importorskip("lpips", reason="lpips (extra metrics) is not installed")
    network = Lpips(alexnet, CPU)
    assert network.backbone == "alexnet"
    picture = torch.rand(2, 3, 64, 64)
    other = torch.stack([picture[0], torch.rand(3, 64, 64)])
    distance = network(picture, other)
    assert distance.shape == (2,)
    assert distance[0] == 0
    assert distance[1] > 0.01


def test_lpips_is_that_of_the_library_with_the_same_backbone(alexnet: pathlib.Path) -> None:
    lpips = pytest.importorskip("lpips", reason="lpips (extra metrics) is not installed")
    models = pytest.importorskip("torchvision.models")
    backbone = models.alexnet(weights=None)
    backbone.load_state_dict(
        torch.load(alexnet) | {f"classifier.{k}": v for k, v in backbone.classifier.state_dict().items()}
    )
    first, second = torch.rand(2, 1, 3, 64, 64)
    network = Lpips(alexnet, CPU)
    # the library's own sum over its five layers, on features of torchvision's network itself
    total, x, y = 0.0, *(network.network.scaling_layer(2 * each - 1) for each in (first, second))
    ends, layers = {1: 0, 4: 1, 7: 2, 9: 3, 11: 4}, list(backbone.features)
    for i, layer in enumerate(layers[:12]):
        x, y = layer(x), layer(y)
        if i in ends:
            gap = (lpips.normalize_tensor(x) - lpips.normalize_tensor(y)).square()
            total += network.network.lins[ends[i]](gap).mean((2, 3)).item()
    assert network(first, second).item() == pytest.approx(total, rel=1e-4)


def test_weights_of_another_network_are_no_backbone(tmp_path: pathlib.Path) -> None:
    torch.save({"features.0.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "w.pth")
    with pytest.raises(UnsupportedInputError, match=r"w\.pth holds none of LPIPS's backbones \(alexnet, vgg16,"):
        recognise_backbone(read_tensors(tmp_path / "w.pth"), tmp_path / "w.pth")


def test_a_cut_backbone_is_refused(alexnet: pathlib.Path, tmp_path: pathlib.Path) -> None:
    pytest.importorskip("lpips", reason="lpips (extra metrics) is not installed")
    weights = torch.load(alexnet)
    del weights["features.10.bias"]
    torch.save(weights, tmp_path / "alexnet.pth")
    with pytest.raises(UnsupportedInputError, match=r"lacks features\.10\.bias"):
        Lpips(tmp_path / "alexnet.pth", CPU)


@pytest.mark.parametrize(
    ("keys", "name"),
    [(("features.3.squeeze.weight",), "squeezenet1_1"), (("features.28.weight",), "vgg16")],
)
def test_backbones_are_told_apart(keys: tuple[str, ...], name: str) -> None:
    weights = dict.fromkeys(keys, torch.zeros(1)) | {"features.0.weight": torch.zeros(64, 3, 3, 3)}
    assert recognise_backbone(weights, pathlib.Path("w")) == name


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize("kind", ["pickle", "text", "list", "safetensors"])
def test_only_plain_tensors_are_read(tmp_path: pathlib.Path, kind: str) -> None:
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "pickle":
        torch.save({"features.0.weight": Trap()}, path)
    elif kind == "list":
        torch.save([torch.zeros(1)], path)
    else:
        path.write_bytes(b"nothing" if kind == "text" else pickle.dumps(3))
    with pytest.raises(UnsupportedInputError, match=r"is not a (file of plain weights|state dict of tensors)"):
        read_tensors(path)


def test_measures_are_left_out_with_reasons(hub: pathlib.Path) -> None:
    assert find_backbone(None) is None
    assert find_inception(None) is None
    given = settings()
    reasons = left_out(given)
    assert reasons["lpips"].startswith("no backbone weights (--lpips-weights)")
    assert reasons["fid"] == "no Inception weights (--inception)"
    assert reasons["csim_judge"] == "no judge (--judge)"
    assert "ssim" not in reasons
    reasons = left_out(dataclasses.replace(given, protocol="cross"))
    assert {"ssim", "psnr_db", "l1", "mse", "lpips", "akd_px", "ace_px"} <= set(reasons)
    assert reasons["lpips"] == "cross-reenactment has no real picture of the result"
    assert "lsim" not in reasons


def test_torchs_downloads_are_found(hub: pathlib.Path) -> None:
    for name in ("vgg16-397923af.pth", "alexnet-owt-7be5be79.pth", "weights-inception-2015-12-05-6726825d.pth"):
        (hub / name).touch()
    assert find_backbone(None) == hub / "alexnet-owt-7be5be79.pth"
    assert find_inception(None) == hub / "weights-inception-2015-12-05-6726825d.pth"


def test_a_folder_or_file_given_comes_first(hub: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (hub / "alexnet-owt-7be5be79.pth").touch()
    (tmp_path / "vgg16.safetensors").touch()
    assert find_backbone(tmp_path) == tmp_path / "vgg16.safetensors"
    assert find_backbone(tmp_path / "vgg16.safetensors") == tmp_path / "vgg16.safetensors"


def test_a_place_without_weights_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnsupportedInputError, match=r"--lpips-weights .* is a folder without torchvision's alexnet"):
        find_backbone(tmp_path)
    with pytest.raises(UnsupportedInputError, match=r"--inception .*none does not exist; give a file or folder with"):
        find_inception(tmp_path / "none")


@pytest.mark.slow
def test_inception_features_come_from_a_file_of_plain_tensors(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pytest.importorskip(
        "torch_fidelity.feature_extractor_inceptionv3", reason="torch-fidelity (extra metrics) is not installed"
    )
    path = tmp_path / "weights-inception-2015-12-05-made-up.pth"
    with monkeypatch.context() as patch:
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.save({}, path)
        untrained = module.FeatureExtractorInceptionV3("i", ["2048"], feature_extractor_weights_path=str(path))
    torch.save(untrained.state_dict(), path)
    frames = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    features = Inception(path, CPU)(frames)
    assert features.shape == (1, 2048)
    torch.testing.assert_close(features, untrained(frames)[0])


def test_other_weights_are_no_inception(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("torch_fidelity", reason="torch-fidelity (extra metrics) is not installed")
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(UnsupportedInputError, match="does not hold torch-fidelity's Inception weights"):
        Inception(tmp_path / "w.pth", CPU)
    torch.save({"a": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(UnsupportedInputError, match="not a file of plain weights"):
        Inception(tmp_path / "trap.pth", CPU)
