"""Draw the picture of the README with the embedded weights: ``python -m examples.make_pictures``.

Each row shows driving actor, source and result, from the first examples of the page.
"""

import pathlib
import tempfile

import cv2
import numpy as np

from reenact.media import VideoReader, write_image
from reenact.pipeline.engine import load_engine
from reenact.pipeline.video import reenact_video
from reenact.space import examples

PICTURES = pathlib.Path(__file__).resolve().parents[1] / "docs" / "pictures"
SHARES = (0.3, 0.5, 0.5, 0.3)
"""Position of the frame that is shown, as a share of each clip's length."""
ROW_PX = (768, 256)
"""Width and height of a row."""


def main() -> None:
    """Write ``docs/pictures/talk.jpg``."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    engine = load_engine()
    rows: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as folder:
        for source, driving, share in zip(examples.portraits(), examples.driving_clips(), SHARES, strict=False):
            out = pathlib.Path(folder) / f"{len(rows)}.mp4"
            reenact_video(source, driving, out, system=engine, paste_back=False, side_by_side=True)
            with VideoReader(out) as frames:
                pictures = list(frames)
            rows.append(cv2.resize(pictures[int(share * len(pictures))], ROW_PX, interpolation=cv2.INTER_AREA))
    half = len(rows) // 2
    sheet = np.concatenate([np.concatenate(rows[:half], axis=1), np.concatenate(rows[half:], axis=1)], axis=0)
    write_image(PICTURES / "talk.jpg", sheet, overwrite=True, quality=85)
    print(f"{PICTURES / 'talk.jpg'}: {sheet.shape[1]} x {sheet.shape[0]} pixels")


if __name__ == "__main__":
    main()
