"""Draw the picture of the README with the embedded weights: ``python -m examples.make_pictures``.

Each row shows driving actor, source and result, from the example portrait and clips of the page.
"""

import pathlib
import tempfile

import numpy as np

from reenact.media import VideoReader, write_image
from reenact.pipeline.engine import load_engine
from reenact.pipeline.video import reenact_video

HERE = pathlib.Path(__file__).resolve().parent
PICTURES = HERE.parent / "docs" / "pictures"
FRAMES = {"talk": 0.3, "smile": 0.5, "shake": 0.3, "nod": 0.3}
"""Clips shown, and the position of the frame as a share of the length."""


def main() -> None:
    """Write ``docs/pictures/talk.jpg``."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    engine = load_engine()
    rows: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, share in FRAMES.items():
            out = pathlib.Path(folder) / f"{name}.mp4"
            reenact_video(
                HERE / "portraits" / "astronaut.jpg",
                HERE / "driving" / f"actor-{name}.mp4",
                out,
                system=engine,
                paste_back=False,
                side_by_side=True,
            )
            with VideoReader(out) as frames:
                pictures = list(frames)
            rows.append(pictures[int(share * len(pictures))])
    half = len(rows) // 2
    sheet = np.concatenate([np.concatenate(rows[:half], axis=1), np.concatenate(rows[half:], axis=1)], axis=0)
    write_image(PICTURES / "talk.jpg", sheet, overwrite=True)
    print(f"{PICTURES / 'talk.jpg'}: {sheet.shape[1]} x {sheet.shape[0]} pixels")


if __name__ == "__main__":
    main()
