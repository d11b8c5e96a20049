"""What all systems share: the source in layers, its head in depth, composition of frames, painters of its parts."""
