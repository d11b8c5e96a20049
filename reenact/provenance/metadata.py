"""Metadata: a text about a file's origin, and XMP with IPTC's digital source type, in every format that is written."""

import pathlib
from xml.sax.saxutils import escape, quoteattr

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC's vocabulary; https://cv.iptc.org/newscodes/digitalsourcetype explains its terms."""
SYNTHETIC_TYPES = {
    "trainedAlgorithmicMedia": "made by a trained network",
    "compositeWithTrainedAlgorithmicMedia": "partly made by a trained network",
    "algorithmicMedia": "made by a program",
    "compositeSynthetic": "partly synthetic",
    "virtualRecording": "a recording of something virtual",
}
"""Terms for what no camera has seen, in words."""
XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""Name of the MP4 box that holds XMP."""
_XMP_IN_WEBP = 0x04


def xmp_packet(text: str, source_type: str) -> bytes:
    """XMP with a description and the digital source type.

    Args:
        text: the description.
        source_type: a term of IPTC's vocabulary.
    """
    namespaces = {
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "dc": "http://purl.org/dc/elements/1.1/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    }
    declared = " ".join(f'xmlns:{name}="{address}"' for name, address in namespaces.items())
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF {declared}>
<rdf:Description rdf:about="" Iptc4xmpExt:DigitalSourceType={quoteattr(SOURCE_TYPES + source_type)}>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(text)}</rdf:li></rdf:Alt></dc:description>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>""".encode()


def add_metadata(path: pathlib.Path, suffix: str, *, text: str, source_type: str) -> None:
    """Write into a finished clip what its encoder cannot; nothing for other formats than GIF, WebP, MP4 and MOV.

    Args:
        path: the clip.
        suffix: of its format, such as ".gif".
        text: description of its origin.
        source_type: a term of IPTC's vocabulary.
    """
    xmp = xmp_packet(text, source_type)
    if suffix in (".mp4", ".mov"):
        with path.open("ab") as file:  # players skip boxes that they do not know
            file.write((8 + 16 + len(xmp)).to_bytes(4, "big") + b"uuid" + XMP_BOX + xmp)
    elif suffix == ".gif":
        content = path.read_bytes()
        path.write_bytes(_with_comment(content, f"{text}; {SOURCE_TYPES}{source_type}"))
    elif suffix == ".webp":
        path.write_bytes(_with_xmp(path.read_bytes(), xmp))


def _with_comment(gif: bytes, text: str) -> bytes:
    """A GIF with a comment before its first picture."""
    packed = gif[10]
    start = 13 + (3 << (packed & 7) + 1 if packed & 0x80 else 0)
    content = text.encode()
    blocks = [content[at : at + 255] for at in range(0, len(content), 255)]
    comment = b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    return gif[:start] + comment + gif[start:]


def _with_xmp(webp: bytes, xmp: bytes) -> bytes:
    """An animated WebP with XMP; its header says that there is some."""
    assert webp[12:16] == b"VP8X"
    chunk = b"XMP " + len(xmp).to_bytes(4, "little") + xmp + b"\0" * (len(xmp) % 2)
    body = webp[8:20] + bytes([webp[20] | _XMP_IN_WEBP]) + webp[21:] + chunk
    return b"RIFF" + len(body).to_bytes(4, "little") + body
