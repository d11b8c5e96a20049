"""Motion templates: the motion of a clip in a file, without its pictures."""
