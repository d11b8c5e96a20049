"""Options about what result files say of their origin."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from reenact.errors import ConfigError

if TYPE_CHECKING:
    from reenact.provenance.origin import Origin


@dataclasses.dataclass(frozen=True, kw_only=True)
class Marking:
    """Marks of a result file beside its metadata; a result that equals its source has none."""

    watermark: bool = True
    """Add an invisible mark, for `reenact verify`. --no-watermark leaves every pixel as it was drawn."""
    label: str | None = None
    """Show this text, up to 60 characters, in the lower right corner, such as "AI-generated"."""
    c2pa_certificate: pathlib.Path | None = None
    """Sign a C2PA manifest: file of the certificate chain (PEM); needs the extra `c2pa`."""
    c2pa_key: pathlib.Path | None = None
    """With --c2pa-certificate: file of the private key (PEM)."""

    def check_marking(self) -> None:
        """Refuse a label that cannot be read, and a certificate that cannot sign.

        Raises:
            ConfigError: the option and what it needs.
            MissingDependencyError: the library that signs is missing.
        """
        if (self.c2pa_certificate is None) != (self.c2pa_key is None):
            raise ConfigError("--c2pa-certificate and --c2pa-key belong together; give both.")
        if (signer := self.origin().signer) is not None:
            signer.check()

    def origin(self, **changes: str) -> "Origin":
        """What the file says; `changes` are fields of `Origin`."""
        from reenact.provenance.origin import Origin, signer_of

        signer = signer_of(self.c2pa_certificate, self.c2pa_key)
        return Origin(watermark=self.watermark, label=self.label, signer=signer, **changes)

    def unmarked_note(self) -> tuple[str, ...]:
        """A note for a result that equals its source, if a label or a signature was asked for."""
        asked = {"label": self.label, "signature": self.c2pa_certificate}
        names = [name for name, value in asked.items() if value is not None]
        if not names:
            return ()
        return (f"Nothing was changed: the result is the source itself, so it bears no {' and no '.join(names)}.",)
