import cv2
import pytest
import skimage.data
import torch

from reenact.hub.loading import load_parser
from reenact.perception.parser import PARSER_CLASSES, PARSER_CROP_PX, ParserConfig, ParserNetwork

SMALL = ParserConfig(widths=(4, 8, 8, 8), decoder=(8, 8, 4), blocks=(1, 1, 1))


@pytest.mark.parametrize("side", [32, 64, 128, 192])
def test_logits_at_half_the_size_of_any_crop(side: int):
    network = ParserNetwork(SMALL).eval()
    with torch.no_grad():
        logits = network(torch.rand(2, 3, side, side))
    assert logits.shape == (2, len(PARSER_CLASSES), side // 2, side // 2)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


def test_the_same_crop_gives_the_same_map_alone_and_in_a_batch():
    torch.manual_seed(0)
    network = ParserNetwork(SMALL).eval()
    rgb = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        together = network(rgb)
        assert torch.equal(together, network(rgb))
        apart = torch.cat([network(picture[None]) for picture in rgb])
    assert torch.allclose(together, apart, atol=1e-5)


def test_a_change_in_one_corner_leaves_the_far_corner_alone_without_depth():
    network = ParserNetwork(SMALL).eval()
    rgb = torch.zeros(1, 3, 256, 256)
    touched = rgb.clone()
    touched[..., :8, :8] = 1
    with torch.no_grad():
        difference = (network(rgb) - network(touched)).abs().amax((0, 1))
    assert difference[:4, :4].max() > 0
    assert difference[-16:, -16:].max() == 0


def test_default_network_fits_its_budget():
    network = ParserNetwork(ParserConfig())
    assert 500_000 < sum(value.numel() for value in network.parameters()) < 1_000_000


def test_embedded_weights_know_the_astronauts_face_hair_and_surroundings():
    crop = skimage.data.astronaut()[20:220, 124:324]  # about twice the face
    small = cv2.resize(crop, (PARSER_CROP_PX, PARSER_CROP_PX), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        logits = load_parser()(torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255)
    classes = logits.argmax(1)[0]
    face, hair, clothes = (PARSER_CLASSES.index(name) for name in ("face", "hair", "clothes"))
    assert classes[32, 32] == face
    shares = torch.bincount(classes.flatten(), minlength=5) / classes.numel()
    assert 0.1 < shares[face] < 0.4
    assert shares[hair] > 0.03
    assert shares[clothes] > 0.03
