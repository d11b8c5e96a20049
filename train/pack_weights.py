"""Store the weights of a checkpoint folder in 8 bits: ``python -m train.pack_weights FOLDER``.

Halves the file; loading gives fp16 again (`reenact.hub.checkpoint.pack_weights`). Measure the network before and after.
"""

import pathlib
import sys

from safetensors.torch import save_file

from reenact.errors import ReenactError
from reenact.hub.checkpoint import pack_weights, read_checkpoint
from reenact.weights import WEIGHTS_NAME


def pack_folder(folder: pathlib.Path) -> tuple[int, int]:
    """Pack the weights of a folder in place; sizes of the file before and after, in bytes.

    Raises:
        CheckpointError: it is no checkpoint folder.
    """
    path, weights = folder / WEIGHTS_NAME, read_checkpoint(folder).weights
    before, partial = path.stat().st_size, path.with_suffix(".tmp")
    save_file(pack_weights(weights), partial, metadata={"format": "pt"})
    partial.replace(path)
    return before, path.stat().st_size


def main() -> int:
    """Pack the folder that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        before, after = pack_folder(pathlib.Path(sys.argv[1]))
    except ReenactError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"{sys.argv[1]}: {before} -> {after} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
