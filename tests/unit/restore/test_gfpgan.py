"""Restoration: where the face is cut out and laid back, and which files are taken as weights."""

import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reenact import cli
from reenact.errors import CheckpointError, ConfigError, MissingDependencyError
from reenact.geometry.landmarks import LEFT_EYE_RING, RIGHT_EYE_RING
from reenact.geometry.morphable import load_morphable
from reenact.media import read_image
from reenact.portrait.compose import Rendered
from reenact.restore.gfpgan import Restorer, align_ffhq, load_restorer, time_text

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SIDE = 200


class Painting(nn.Module):
    """Paints every face green, or leaves it as it is."""

    def __init__(self, green: bool) -> None:
        super().__init__()
        self.green = nn.Parameter(torch.tensor(float(green)))
        self.seen: list[Tensor] = []

    def forward(self, face: Tensor) -> Tensor:
        assert face.shape == (1, 3, 512, 512) and float(face.abs().max()) <= 1
        self.seen.append(face)
        paint = torch.tensor([-1.0, 1.0, -1.0])[:, None, None].expand_as(face)
        return torch.lerp(face, paint, self.green)


@pytest.fixture(scope="module")
def mesh() -> Tensor:
    """A frontal face that fills about half of the crop, in half-sides; and the same, smaller and turned."""
    points = load_morphable().mean * torch.tensor([1.0, -1.0, -1.0])
    points = points / (points[:, :2].amax(0) - points[:, :2].amin(0)).max()
    cos, sin = np.cos(0.5), np.sin(0.5)
    turn = torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], dtype=torch.float32)
    return torch.stack([points, 0.6 * points @ turn.T + torch.tensor([0.2, -0.1, 0])])


@pytest.fixture
def rendered() -> Rendered:
    smooth = torch.rand(2, 3, 25, 25, generator=torch.Generator().manual_seed(1))
    rgb = nn.functional.interpolate(smooth, size=(SIDE, SIDE), mode="bicubic").clamp(0, 1)
    return Rendered(rgb=rgb, changed=torch.zeros(2, 1, SIDE, SIDE))


def test_faces_are_aligned_as_in_ffhq(mesh: Tensor) -> None:
    """Eyes and mouth lie where they lie in pictures of that set: about 193 and 319, 240; and 371 down."""
    for face in mesh[..., :2].double().numpy():
        matrix = align_ffhq(face)
        placed = face @ matrix[:, :2].T + matrix[:, 2]
        eyes = [placed[list(ring)].mean(0) for ring in (RIGHT_EYE_RING, LEFT_EYE_RING)]
        assert eyes[0] == pytest.approx([193, 240], abs=14) and eyes[1] == pytest.approx([319, 240], abs=14)
        assert placed[[61, 291]].mean(0) == pytest.approx([257, 371], abs=14)


def test_only_the_face_is_redrawn_by_the_strength(rendered: Rendered, mesh: Tensor) -> None:
    green = torch.tensor([0.0, 1.0, 0.0])
    full = Restorer(Painting(green=True))(rendered, mesh)
    half = Restorer(Painting(green=True), 0.5)(rendered, mesh)
    for row in range(2):
        x, y = ((mesh[row, 4, :2] + 1) * SIDE / 2).long().tolist()  # the tip of the nose
        assert torch.allclose(full.rgb[row, :, y, x], green, atol=0.02)
        between = (green + rendered.rgb[row, :, y, x]) / 2
        assert torch.allclose(half.rgb[row, :, y, x], between, atol=0.03)
        assert float(full.changed[row, 0, y, x]) > 0.98
        outside = full.changed[row, 0] == 0
        assert 0.2 < float(outside.float().mean()) < 0.95
        assert torch.equal(full.rgb[row][:, outside], rendered.rgb[row][:, outside]), "bit for bit"
    assert Restorer(Painting(green=True), 0.0)(rendered, mesh) is rendered


def test_a_face_that_is_not_changed_is_laid_back_in_its_place(rendered: Rendered, mesh: Tensor) -> None:
    same = Restorer(Painting(green=False))(rendered, mesh)
    assert float((same.rgb - rendered.rgb).abs().mean()) < 0.003
    assert float((same.rgb - rendered.rgb).abs().max()) < 0.08
    one = Restorer(Painting(green=False))(Rendered(rgb=rendered.rgb[1:], changed=rendered.changed[1:]), mesh[1:])
    assert torch.equal(one.rgb, same.rgb[1:]), "a batch gives the same as its frames"


def test_time_is_measured_and_told() -> None:
    assert 0 < Restorer(Painting(green=True)).measure() < 5
    assert time_text(2.04, 1) == "Restoring takes about 2.0 s a face."
    assert time_text(2.0, 30) == "Restoring takes about 2.0 s a face: 60 s for 30 frames, besides drawing."
    assert time_text(12.0, 250) == "Restoring takes about 12 s a face: 50 min for 250 frames, besides drawing."


class Evil:
    """Would leave a file where it is opened."""

    def __init__(self, mark: pathlib.Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return pathlib.Path.touch, (self.mark,)


def test_files_that_are_no_weights_give_one_line(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("spandrel", reason="spandrel is not installed")
    mark = tmp_path / "ran"
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"params_ema": Evil(mark)}))
    torch.save({"params_ema": Evil(mark)}, tmp_path / "evil2.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save({"params_ema": {"a": torch.ones(3)}}, tmp_path / "other.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "other.pth").read_bytes()[:-200])
    torch.save({"params_ema": {"a": torch.full((3,), torch.nan)}}, tmp_path / "nan.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    keys = {"toRGB.0.weight": torch.ones(3), "stylegan_decoder.style_mlp.1.weight": torch.ones(3)}
    torch.save({"params": keys}, tmp_path / "part.pth")
    said = {
        **dict.fromkeys(("evil.pth", "evil2.pth", "text.pth", "cut.pth", "text.safetensors"), "not a whole file"),
        "other.pth": "does not hold GFPGAN",
        "nan.pth": "NaN or infinite",
        "list.pth": "holds no weights of a network",
        "part.pth": "does not hold GFPGAN",
    }
    for name, text in said.items():
        with pytest.raises(CheckpointError, match=text) as error:
            load_restorer(tmp_path / name)
        assert str(error.value).startswith(str(tmp_path / name)) and "\n" not in str(error.value)
    assert not mark.exists()


def test_without_the_library_or_with_a_wrong_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    for strength in (-0.1, 1.5, float("nan")):
        with pytest.raises(ConfigError, match="give a number from 0 to 1"):
            load_restorer("any.pth", strength=strength)

    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingDependencyError, match=r'run `pip install "reenact\[restore\]"`'):
        load_restorer("any.pth")


@pytest.fixture
def painting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line restores with green paint."""
    monkeypatch.setattr(
        "reenact.restore.gfpgan.load_restorer",
        lambda *_, strength, **__: Restorer(Painting(green=True), strength),
    )


PORTRAIT = REPOSITORY / "examples" / "portraits" / "male_30.jpg"
DRIVER = REPOSITORY / "examples" / "driving" / "actor-smile.jpg"


def green_share(picture: np.ndarray) -> float:
    return float(((picture[..., 1] > 200) & (picture[..., 0] < 60) & (picture[..., 2] < 60)).mean())


@pytest.mark.slow
@pytest.mark.usefixtures("painting")
def test_pictures_clips_and_edits_are_restored(
    embedded: Callable[[str], pathlib.Path], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embedded("facegan")
    image, clip, edit = tmp_path / "image.png", tmp_path / "clip.mp4", tmp_path / "edit.png"
    small = ["--max-crop", "256", "--restore", "gfpgan"]
    assert cli.main(["image", str(PORTRAIT), str(DRIVER), "-o", str(image), "--upscale", "2", *small]) == 0
    assert read_image(image).rgb.shape == (1024, 1024, 3)
    assert cli.main(["edit", str(PORTRAIT), "-o", str(edit), *small]) == 0
    assert cli.main(["video", str(PORTRAIT), "nod", "--fps", "2", "-o", str(clip), *small]) == 0
    for path in (image, edit):
        assert 0.05 < green_share(read_image(path).rgb) < 0.3
    said = capsys.readouterr().err
    assert "for 4 frames, besides drawing" in said and said.count("Restoring takes about") == 3
    from reenact.media import VideoReader

    with VideoReader(clip) as reader:
        assert all(0.04 < green_share(frame) < 0.3 for frame in reader)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--restore", "gfpgan", "--restore-strength", "2"], "--restore-strength is 2; give a number from 0 to 1"),
        (["--restore-strength", "0.5"], "work only with --restore gfpgan"),
        (["--restore", "gfpgan", "--restore-weights", "missing.pth"], "There is no file missing.pth"),
        (["--restore", "codeformer"], "invalid choice"),
    ],
)
def test_refusals(options: list[str], text: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["image", str(PORTRAIT), str(DRIVER), "-o", str(tmp_path / "x.png"), *options]) == 2
    assert text in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_weights_that_cannot_be_had_name_the_option(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("spandrel", reason="spandrel is not installed")
    monkeypatch.setenv("REENACT_CACHE", str(tmp_path / "cache"))
    arguments = ["image", str(PORTRAIT), str(DRIVER), "-o", str(tmp_path / "x.png"), "--restore", "gfpgan"]
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert "The weights of GFPGAN (349 MB) cannot be fetched from https://github.com/TencentARC/GFPGAN" in said
    assert "(--restore-weights)" in said and said.count("\n") == 1 and not (tmp_path / "x.png").exists()


@pytest.mark.slow
def test_a_random_network_of_the_architecture_is_loaded_and_gives_the_same_twice(
    tmp_path: pathlib.Path, mesh: Tensor, rendered: Rendered
) -> None:
    gfpgan = pytest.importorskip("spandrel.architectures.GFPGAN", reason="spandrel is not installed").GFPGAN
    torch.manual_seed(0)
    network = gfpgan(
        out_size=512,
        num_style_feat=512,
        channel_multiplier=2,
        decoder_load_path=None,
        fix_decoder=False,
        num_mlp=8,
        input_is_latent=True,
        different_w=True,
        narrow=1,
        sft_half=True,
    )
    torch.save({"params_ema": network.state_dict()}, tmp_path / "random.pth")
    restorer = load_restorer(tmp_path / "random.pth")
    one = Rendered(rgb=rendered.rgb[:1], changed=rendered.changed[:1])
    first, second = restorer(one, mesh[:1]), restorer(one, mesh[:1])
    assert torch.equal(first.rgb, second.rgb), "its noise is fixed"
    assert bool(torch.isfinite(first.rgb).all()) and not torch.equal(first.rgb, one.rgb)
