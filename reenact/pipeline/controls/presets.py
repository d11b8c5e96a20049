"""Expressions by name."""

from reenact.pipeline.controls.settings import FaceEdit

PRESETS: dict[str, FaceEdit] = {
    "smile": FaceEdit(action_units={"6": 2.5, "12": 3.5, "25": 1.5}),
    "grin": FaceEdit(action_units={"6": 3.5, "12": 5.0, "25": 3.0}),
    "surprise": FaceEdit(action_units={"1": 4.0, "2": 4.0, "5": 3.0, "25": 3.0, "26": 3.0}),
    "wink": FaceEdit(action_units={"45L": 5.0, "12L": 2.0}),
    "frown": FaceEdit(action_units={"4": 4.0, "15": 3.0, "17": 2.0}),
    "disgust": FaceEdit(action_units={"4": 2.0, "9": 4.0, "10": 3.0}),
    "sleepy": FaceEdit(action_units={"1": 1.0, "45": 3.0}, pitch_deg=6.0),
    "neutral": FaceEdit(
        mode="absolute",
        action_units={str(unit): 0.0 for unit in (1, 2, 4, 5, 10, 12, 14, 15, 17, 20, 23, 25, 26)},
    ),
}
"""Relative to the source, except for neutral, which sets brows and mouth to 0. It leaves lids, cheeks and nose alone:
how they look at rest differs from person to person."""
