"""What the tracker reads in an eye that replaces both of a portrait."""

import pathlib

import torch

from reenact.geometry.landmarks import eye_openings
from reenact.hub.loading import load_tracker
from reenact.media import read_image
from reenact.perception.crop import tracker_crop
from reenact.portrait import parts
from train.losses.lids import LidReader

PORTRAIT = pathlib.Path(__file__).parents[4] / "examples" / "portraits" / "female_23.jpg"


def test_openings_are_read_and_have_gradients() -> None:
    rgb = read_image(PORTRAIT).rgb
    mesh = load_tracker().track(rgb).mesh_px
    frame = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    face_from_frame = torch.from_numpy(tracker_crop(mesh[0].numpy(), 128)[:2])[None].float()
    own, other = (parts.crop_part(mesh, "eye", left=left) for left in (False, True))
    onto = torch.stack([parts.chain(face_from_frame, parts.invert(each)) for each in (own, other)], 1)
    eye, mask = parts.sample(frame, own, parts.SIZE), parts.eye_mask(parts.place(own, mesh), left=False)
    where, reader = (mask, parts.sample(frame, face_from_frame, (128, 128)), onto), LidReader()
    assert abs(reader(eye, *where) - eye_openings(mesh)[:, 0]) < 0.03
    skin = parts.sample(frame, torch.cat([own[:, :, :2], own[:, :, 2:] - torch.tensor([[0.0], [26.0]])], 2), parts.SIZE)
    skin.requires_grad_()
    read = reader(skin, *where)
    read.sum().backward()
    assert read < 0.75 * reader(eye, *where), "skin in place of the eyes"
    assert skin.grad is not None
    assert skin.grad.abs().sum() > 0
