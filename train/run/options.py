"""The part of the command line that recipes see."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """What `build` of a recipe is given beside the data; a recipe ignores or refuses what it does not offer."""

    out: pathlib.Path
    """Run folder: settings, log, checkpoints, samples, exported weights. An existing run is resumed."""
    cache: pathlib.Path = pathlib.Path("runs/cache")
    """Folder for decoded pictures and downloaded shards."""
    preset: str | None = None
    """Sizes of the networks, in recipes that offer several: "tiny", "paper", or "people" for random people."""
    side: int | None = None
    """Side of the training crops in pixels, in recipes that offer several."""
    init: pathlib.Path | None = None
    """Exported weights to start from."""
    own_meshes: bool = False
    """Take half of the meshes from the embedded tracker instead of the labels, in recipes that use meshes."""
    teacher: pathlib.Path | None = None
    """Network that a recipe learns from or compares features with, in recipes that offer it."""
    resident: bool = False
    """Keep the pictures on the device and cut crops there, in recipes that offer it."""
