"""Training pairs: frames of one clip, turned heads, landmark shapes, landmarks with Action Units."""
