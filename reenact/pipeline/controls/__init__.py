"""The editor: Action Units, head angles and background of a face in a photo."""
