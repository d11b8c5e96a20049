"""The weights that come with the package, and where loaded weights came from.

A wheel carries them inside the package, as ``reenact/checkpoints``; a clone has them beside it, in ``checkpoints/``.
"""

import dataclasses
import pathlib

from reenact.errors import CheckpointError

_PACKAGE = pathlib.Path(__file__).resolve().parent
_INSTALLED, _CLONE = _PACKAGE / "checkpoints", _PACKAGE.parent / "checkpoints"
EMBEDDED = _INSTALLED if _INSTALLED.is_dir() else _CLONE
"""Folder of the embedded checkpoints."""

CONFIG_NAME, WEIGHTS_NAME, CARD_NAME = "config.json", "model.safetensors", "README.md"
"""Files of every checkpoint folder."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsInfo:
    """Where weights came from."""

    folder: pathlib.Path
    """The checkpoint's folder on this machine; of weights from the Hub, in the Hub's cache."""
    sha256: str
    """Of ``model.safetensors``, 64 hex digits."""
    repository: str | None = None
    """owner/name on the Hub; None for a local or an embedded checkpoint."""
    revision: str | None = None
    """Branch, tag or commit that was asked for; None for the main branch."""
    commit: str | None = None
    """The Hub's commit, 40 hex digits; None without a repository."""

    @property
    def is_embedded(self) -> bool:
        """Whether they come with the package."""
        return self.folder.resolve().is_relative_to(EMBEDDED)

    def __str__(self) -> str:
        """For notes and pages: the folders of the machine are not named."""
        name = f"{self.repository}@{(self.commit or '')[:8]}" if self.repository else self.folder.name
        return f"{'embedded ' * self.is_embedded}{name} (sha256 {self.sha256[:12]})"


def embedded_weights(name: str) -> pathlib.Path:
    """The folder of an embedded checkpoint, e.g. "correspondence" or "perception/tracker".

    Raises:
        CheckpointError: it is not installed.
    """
    folder = EMBEDDED / name
    if not (folder / WEIGHTS_NAME).is_file():
        raise CheckpointError(
            f"The embedded weights {name} are missing (expected in {folder}); install or clone the project again."
        )
    return folder


def embedded_names() -> list[str]:
    """Names of all embedded checkpoints, with "/" between folders."""
    return sorted(path.parent.relative_to(EMBEDDED).as_posix() for path in EMBEDDED.rglob(CONFIG_NAME))
