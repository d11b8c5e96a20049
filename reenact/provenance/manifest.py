"""C2PA manifests (Content Credentials), written and read with the library c2pa-python."""

import dataclasses
import io
import json
import pathlib
from typing import Any

from reenact.errors import ConfigError, MissingDependencyError, one_line
from reenact.provenance.metadata import SOURCE_TYPES

MIME_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
}
"""Formats that can hold a manifest."""
_SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
"""Nothing that a file names is fetched, and manifests stay small."""
_ALGORITHMS = {256: "es256", 384: "es384", 521: "es512"}
"""By the size of the key's curve."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signer:
    """Who signs, with a chain of certificates and a private key, both in PEM."""

    certificate: pathlib.Path
    """The signer's own certificate first, then those that issued it. C2PA asks for one that may sign documents."""
    key: pathlib.Path
    """EC, RSA or Ed25519, without a password."""

    def check(self) -> None:
        """Try the certificate and the key.

        Raises:
            MissingDependencyError: c2pa-python is not installed.
            ConfigError: they cannot sign.
        """
        from PIL import Image

        picture = io.BytesIO()
        Image.new("RGB", (8, 8)).save(picture, "PNG")
        self.sign(picture, io.BytesIO(), ".png", source_type="trainedAlgorithmicMedia")

    def sign(self, source: io.BufferedIOBase, out: io.BufferedIOBase, suffix: str, *, source_type: str) -> None:
        """Copy a file with a manifest that says how it was made.

        Args:
            source: the file, open for reading.
            out: open for reading and writing.
            suffix: of its format; one of `MIME_TYPES`.
            source_type: a term of IPTC's vocabulary.

        Raises:
            MissingDependencyError: c2pa-python is not installed.
            ConfigError: the certificate or the key cannot sign.
        """
        c2pa = _library()
        created = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + source_type}
        manifest = {
            "claim_generator_info": [{"name": "reenact"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
        }
        source.seek(0)
        try:
            key = self.key.read_bytes()
            info = c2pa.C2paSignerInfo(_algorithm(key), self.certificate.read_bytes(), key, None)
            with (
                c2pa.Context.from_dict(_SETTINGS) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(json.dumps(manifest), context=context) as builder,
            ):
                builder.sign(signer, MIME_TYPES[suffix], source, out)
        except (c2pa.C2paError, OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"{self.certificate} and {self.key} cannot sign results: {one_line(error)}. Give a certificate chain "
                "for signing documents and its private key, in PEM and without a password."
            ) from error


def read_manifest(path: pathlib.Path) -> tuple[dict[str, Any], str] | None:
    """The manifest store of a file as C2PA's JSON, and its state: "Trusted", "Valid" or "Invalid"; None without one.

    "Valid" means that nothing was changed since it was signed, but nobody vouches for the signer.

    Raises:
        MissingDependencyError: c2pa-python is not installed.
    """
    c2pa = _library()
    mime_type = MIME_TYPES.get(path.suffix.lower())
    with path.open("rb") as file, c2pa.Context.from_dict(_SETTINGS) as context:
        try:
            with c2pa.Reader(mime_type, file, context=context) as reader:
                return json.loads(reader.json()), str(reader.get_validation_state())
        except c2pa.C2paError:
            return None


def _library() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise MissingDependencyError(
            'C2PA manifests need the library c2pa-python; run `pip install "reenact[c2pa]"`.'
        ) from error
    return c2pa


def _algorithm(pem: bytes) -> str:
    """C2PA's name of the algorithm for a private key."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # comes with c2pa-python
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ALGORITHMS[key.curve.key_size]
    return "ps256" if isinstance(key, rsa.RSAPrivateKey) else "ed25519"
