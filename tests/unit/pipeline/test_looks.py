"""What is said of files before drawing."""

import numpy as np

from reenact.media import Picture
from reenact.pipeline.looks import moving_note, no_face_in


def test_the_trackers_words_speak_of_a_clip() -> None:
    said = "No face found (best score 0.10, need 0.50); give a picture in which a face is well visible."
    told = str(no_face_in("any of the 3 frames of a.mp4", said))
    assert told.startswith("No face in any of the 3 frames of a.mp4. No face found (best score 0.10, need 0.50); ")
    assert told.endswith("give a clip in which a face is well visible.")


def test_a_moving_picture_says_which_frame_is_used() -> None:
    rgb = np.zeros((4, 4, 3), np.uint8)
    assert moving_note(Picture(rgb=rgb, alpha=None), "a.png") == ()
    (note,) = moving_note(Picture(rgb=rgb, alpha=None, frame_count=12), "a.gif")
    assert note == "a.gif moves; the first of its 12 frames is used."
