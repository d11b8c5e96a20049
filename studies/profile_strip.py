"""``python -m studies.profile_strip PICTURE -o STRIP.jpg``: a portrait turned by face profiling, side by side.

The upper row is the portrait at several yaws. The lower row marks what training and evaluation know: places that the
portrait does not show are tinted, landmarks hidden by the head are rings, the others dots.
"""

import pathlib
import sys
from typing import Annotated

import cv2
import numpy as np
import torch
import tyro

from reenact.errors import ConfigError, OutputError, ReenactError
from reenact.geometry.flow import landmark_visibility
from reenact.geometry.landmarks import LANDMARKS_68
from reenact.geometry.morphable import MorphableModel, load_morphable
from reenact.portrait.posed import build_head
from train.profiling.turn import ProfiledFace, turn_head

WORK_PX = 256
"""Side of the square that is turned: that of the set's pictures."""
_TINT = np.array([214, 84, 196], np.float32)
_DOT, _RING = (255, 255, 255), (20, 20, 20)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; 0, or 2 with one line that says what to do."""
    try:
        tyro.cli(write_strip, args=argv, prog="studies.profile_strip")
    except ReenactError as error:
        print(f"studies.profile_strip: {error}", file=sys.stderr)
        return 2
    return 0


def write_strip(
    picture: tyro.conf.Positional[pathlib.Path],
    out: Annotated[pathlib.Path, tyro.conf.arg(aliases=["-o"])],
    yaws: tuple[float, ...] = (-90.0, -60.0, -30.0, 0.0, 30.0, 60.0, 90.0),
    side: int = 160,
    quality: int = 88,
) -> None:
    """Show a portrait at several yaws.

    Args:
        picture: the portrait.
        out: the strip, JPEG or PNG by its ending.
        yaws: degrees, positive to the right of the picture.
        side: side of each picture in the strip, pixels.
        quality: quality of a JPEG, 1 to 100.

    Raises:
        ReenactError: no picture, no face, or nowhere to write.
    """
    if not yaws or any(abs(yaw) > 90 for yaw in yaws):
        raise ConfigError(f"yaws go from -90 to 90 degrees, got {yaws}; give one at least")
    if side < 16 or not 1 <= quality <= 100:
        raise ConfigError("side must be 16 pixels or more, and quality 1 to 100")
    model = load_morphable()
    rgb, mesh_px, parsing = read_portrait(picture)
    head = build_head(model, rgb, mesh_px, parsing)
    strip = draw_strip(model, [turn_head(model, head, yaw, parsing) for yaw in yaws], side)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        written = cv2.imwrite(str(out), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR), options)
    except (OSError, cv2.error) as error:
        raise OutputError(f"Cannot write {out} ({error}); give a name that ends in .jpg or .png.") from error
    if not written:
        raise OutputError(f"Cannot write {out}; give a folder that can be written to.")
    print(f"written: {out} ({out.stat().st_size / 1000:.0f} kB)")


def read_portrait(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The face's square as the set cuts it, its mesh and its parsing, by the embedded networks.

    Raises:
        ReenactError: no picture, or no face in it.
    """
    from reenact.hub.loading import face_parser, load_tracker
    from reenact.media import read_image
    from reenact.perception.crop import cut_face
    from reenact.perception.needs import parse_squares
    from reenact.types import CropSpec

    frame = read_image(path).rgb
    found = load_tracker().track(frame)
    image, geometry = cut_face(frame, found, CropSpec(network_px=WORK_PX), native=False)
    rgb = (image.rgb[0].permute(1, 2, 0) * 255).round().byte().numpy()
    parsing = parse_squares(face_parser(image.rgb.device), image.rgb)[0].numpy()
    step = len(parsing) * 2 // WORK_PX
    return rgb, geometry.mesh_px[0].numpy(), np.ascontiguousarray(parsing[::step, ::step])


def draw_strip(model: MorphableModel, faces: list[ProfiledFace], side: int) -> np.ndarray:
    """(2 side, n side, 3) uint8: the faces, and below each its marks."""
    rows = [[face.rgb for face in faces], [mark(model, face) for face in faces]]
    return np.concatenate(
        [
            np.concatenate([cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA) for rgb in row], axis=1)
            for row in rows
        ]
    )


def mark(model: MorphableModel, face: ProfiledFace) -> np.ndarray:
    """The picture with made-up places tinted, and its 68 landmarks."""
    side = len(face.rgb)
    made_up = 0.45 * (1 - face.visible[..., None])
    picture = np.ascontiguousarray((face.rgb * (1 - made_up) + _TINT * made_up).astype(np.uint8))
    mesh = torch.from_numpy(face.mesh_px)[None] * (2 / side) - torch.tensor([1.0, 1.0, 0.0])
    seen = landmark_visibility(model, mesh)[0] > 0.5
    for (x, y), shown in zip(face.mesh_px[list(LANDMARKS_68), :2], seen.tolist(), strict=True):
        centre = (round(float(x)), round(float(y)))
        cv2.circle(picture, centre, 2, _DOT if shown else _RING, cv2.FILLED if shown else 1, cv2.LINE_AA)
    return picture


if __name__ == "__main__":
    sys.exit(main())
