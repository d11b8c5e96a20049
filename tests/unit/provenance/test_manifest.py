"""C2PA manifests, signed with a certificate that is made here."""

import datetime
import pathlib
from fractions import Fraction

import numpy as np
import pytest

from reenact.errors import ConfigError
from reenact.media import VideoWriter, write_image
from reenact.pipeline.verify import verify
from reenact.provenance.manifest import Signer
from reenact.provenance.origin import Origin

pytest.importorskip("c2pa", reason="c2pa-python is not installed")
x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """An authority of our own, and a certificate for signing that it issued."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(name: str, public: ec.EllipticCurvePublicKey, *, issues: bool) -> bytes:
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
        usage |= {"crl_sign": False, "encipher_only": False, "decipher_only": False}
        extensions = [
            (x509.BasicConstraints(issues, None), True),
            (x509.KeyUsage(digital_signature=not issues, key_cert_sign=issues, **usage), True),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False),
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
        ]
        if not issues:
            extensions.append((x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), False))
        named, issuer = (
            x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, each)]) for each in (name, "Authority")
        )
        builder = x509.CertificateBuilder(issuer, named, public, x509.random_serial_number(), now - day, now + day)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    folder = tmp_path_factory.mktemp("certificates")
    chain = certificate("Host", key.public_key(), issues=False)
    (folder / "chain.pem").write_bytes(chain + certificate("Authority", authority.public_key(), issues=True))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return Signer(certificate=folder / "chain.pem", key=folder / "key.pem")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "clip.mp4", "clip.gif"])
def test_manifest_is_valid_until_the_file_is_changed(tmp_path: pathlib.Path, signer: Signer, name: str) -> None:
    path, rgb = tmp_path / name, np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    if name.startswith("clip"):
        with VideoWriter(path, width=64, height=64, fps=Fraction(25), origin=Origin(signer=signer)) as writer:
            writer.write(rgb)
            writer.write(255 - rgb)
    else:
        write_image(path, rgb, origin=Origin(signer=signer))
    found = verify(path)
    assert (found.manifest, found.claimed_by) == ("Valid", "reenact")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    content = path.read_bytes()
    if name != "a.png":  # which has checksums of its own
        path.write_bytes(content.replace(b"Synthetic: ", b"Recording: "))
        assert verify(path).manifest == "Invalid"


def test_what_cannot_sign_is_refused_before_anything_is_drawn(signer: Signer) -> None:
    signer.check()
    with pytest.raises(ConfigError, match="cannot sign results.*without a password"):
        Signer(certificate=signer.key, key=signer.certificate).check()
