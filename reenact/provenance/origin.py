"""What result files say about where they come from."""

import dataclasses
import pathlib

import numpy as np
from jaxtyping import UInt8

from reenact.errors import ConfigError
from reenact.provenance.label import add_label
from reenact.provenance.manifest import Signer
from reenact.provenance.metadata import xmp_packet
from reenact.provenance.watermark import add_watermark

_LONGEST_LABEL = 60
"""Characters; their font size is then 8 in a picture of 256 pixels, 16 in one of 512."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Origin:
    """Metadata, and what else is put into a file."""

    text: str = "Synthetic: a face reenacted by the program reenact"
    """For readers: PNG `Description`, Exif `ImageDescription`, the comment of a clip or GIF."""
    source_type: str = "trainedAlgorithmicMedia"
    """IPTC's term, see `SYNTHETIC_TYPES`."""
    watermark: bool = False
    """Whether an invisible mark is added; it changes every pixel a little."""
    label: str | None = None
    """Text that is shown in the lower right corner; up to 60 characters of ASCII, which is what the font has."""
    signer: Signer | None = None
    """Signs a C2PA manifest; not in MKV and WebM, which cannot hold one."""

    def __post_init__(self) -> None:
        if self.label is None:
            return
        if not 0 < len(self.label.strip()) <= len(self.label) <= _LONGEST_LABEL:
            raise ConfigError(
                f"The label has {len(self.label.strip())} characters; write 1 to {_LONGEST_LABEL}, so that it can be "
                "read, or leave the label out."
            )
        if not (self.label.isascii() and self.label.isprintable()):
            raise ConfigError(f"The label is {self.label!r}; write it in plain letters without accents (ASCII).")

    @property
    def xmp(self) -> bytes:
        """The metadata as XMP."""
        return xmp_packet(self.text, self.source_type)

    def mark(
        self, rgb: UInt8[np.ndarray, "height width 3"], alpha: UInt8[np.ndarray, "height width"] | None = None
    ) -> tuple[UInt8[np.ndarray, "height width 3"], UInt8[np.ndarray, "height width"] | None]:
        """A picture and its transparency with label and watermark; the same arrays if there are none."""
        if self.label:
            rgb, alpha = add_label(rgb, self.label, alpha)
        if self.watermark:
            rgb = add_watermark(rgb, alpha)
        return rgb, alpha


def signer_of(certificate: str | pathlib.Path | None, key: str | pathlib.Path | None) -> Signer | None:
    """Who signs; None without a certificate."""
    if certificate is None or key is None:
        return None
    return Signer(certificate=pathlib.Path(certificate), key=pathlib.Path(key))


SYNTHETIC = Origin()
"""Of results, in metadata alone: pixels stay what was drawn."""
