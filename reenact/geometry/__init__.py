"""Shape of faces: morphable model, rasteriser, landmarks, flow between two meshes."""
