"""Pictures: any common file to upright sRGB arrays, and back."""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from reenact.errors import UnsupportedInputError
from reenact.media.frame import Frame
from reenact.media.hdr import TRANSFERS, to_srgb
from reenact.media.output import IMAGE_SUFFIXES, check_output, replacing
from reenact.media.probe import (
    BROKEN_PICTURE_ERRORS,
    container_kind,
    existing_file,
    frame_count,
    open_picture,
    unknown_format,
)
from reenact.media.tiff import decode_raw_ycbcr, is_raw_ycbcr
from reenact.provenance.origin import Origin

_QUALITY = 95
_IMAGE_DESCRIPTION = 0x010E  # Exif tag
_DEEP_GREY_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_SRGB = ImageCms.createProfile("sRGB")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture, upright, sRGB."""

    rgb: Frame
    """Colours as stored: not multiplied by alpha."""
    alpha: UInt8[np.ndarray, "height width"] | None
    """255 is opaque; None if the file has no transparency."""
    frame_count: int = 1
    """Of the file, which moves if there are several; this is the first one."""


def read_image(path: str | Path, *, max_pixels: int = 100_000_000) -> Picture:
    """Read a picture file; the first frame of an animated one.

    Exif orientation is applied, an embedded colour profile is converted to sRGB, 16-bit samples are scaled to 8.

    Args:
        path: PNG, JPEG, WebP, TIFF, BMP, GIF, PPM, JPEG 2000, AVIF or HEIC.
        max_pixels: Larger pictures are refused from their header, before any pixel is decoded. Pillow's own guard
            refuses more than about 179 million pixels in any case.

    Raises:
        UnsupportedInputError: Missing, empty, truncated, too large, a video, or not a picture.
    """
    path = existing_file(path)
    with _explained(path):
        image = open_picture(path)
    with image:
        width, height = image.size
        if width * height > max_pixels:
            raise UnsupportedInputError(
                f"{path} has {width} x {height} pixels, more than the {max_pixels / 1e6:g} million that are read; "
                "scale it down first."
            )
        with _explained(path), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata; broken pixels raise
            if is_raw_ycbcr(image):
                return to_picture(decode_raw_ycbcr(image))
            image.load()
            return to_picture(image)


def write_image(
    path: str | Path,
    rgb: Frame,
    *,
    alpha: UInt8[np.ndarray, "height width"] | None = None,
    overwrite: bool = False,
    origin: Origin | None = None,
    quality: int | None = None,
) -> None:
    """Write a picture; the file appears complete or not at all.

    Args:
        path: The suffix chooses the format: .png, .jpg, .jpeg, .webp. PNG is lossless.
        rgb: Colours, not multiplied by alpha.
        alpha: Written where the format can hold it; a JPEG is written without.
        overwrite: Whether an existing file may be replaced.
        origin: Metadata and marks about where the picture comes from.
        quality: 1 to 100, of JPEG and WebP; `_QUALITY` if None.

    Raises:
        OutputError: The file exists, the folder is missing or cannot be written to, or the disk is full.
        ConfigError: The origin's certificate cannot sign.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite, suffixes=IMAGE_SUFFIXES)
    suffix = path.suffix.lower()
    if origin is not None:
        rgb, alpha = origin.mark(rgb, alpha)
    image = Image.fromarray(np.ascontiguousarray(rgb))
    if alpha is not None and suffix in (".png", ".webp"):
        image.putalpha(Image.fromarray(np.ascontiguousarray(alpha)))
    encoded = io.BytesIO()
    if suffix == ".png":
        image.save(encoded, "PNG", pnginfo=_png_text(origin))
    elif suffix == ".webp":
        # exact: colours under full transparency are kept
        image.save(encoded, "WEBP", quality=quality or _QUALITY, exact=True, **_texts(origin))
    else:
        image.save(encoded, "JPEG", quality=quality or _QUALITY, subsampling=0, **_texts(origin))
    if origin is not None and origin.signer is not None:
        signed = io.BytesIO()
        origin.signer.sign(encoded, signed, suffix, source_type=origin.source_type)
        encoded = signed
    with replacing(path, overwrite=overwrite) as partial:
        partial.write_bytes(encoded.getbuffer())


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn Pillow's errors for bad content into one line."""
    try:
        yield
    except UnidentifiedImageError as error:
        container = container_kind(path)
        if container is not None:
            raise UnsupportedInputError(
                f"{path} is {container}; a picture is needed here (PNG, JPEG, WebP, TIFF, ...)."
            ) from error
        raise UnsupportedInputError(unknown_format(path, "a picture")) from error
    except Image.DecompressionBombError as error:
        raise UnsupportedInputError(
            f"{path} is too large to read ({str(error).split(',')[0]}); scale it down first."
        ) from error
    except BROKEN_PICTURE_ERRORS as error:
        # Pillow's text may name a class or a code; only its plain sentences help
        reason = "it is truncated" if "truncated" in str(error).lower() else "its content is damaged"
        raise UnsupportedInputError(
            f"{path} begins like a picture but cannot be decoded: {reason}; copy or export it again."
        ) from error


def to_picture(image: Image.Image) -> Picture:
    """The current frame of an open picture, upright and in sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode in _DEEP_GREY_MODES:
        upright = Image.fromarray(_grey_to_u8(np.asarray(image)))
        upright = _turned(upright, image)
    else:
        upright = _turned(image, image)
        if image.mode in ("P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
            upright = upright.convert("RGBA" if image.has_transparency_data else "RGB")
    alpha = np.array(upright.getchannel("A")) if upright.mode == "RGBA" else None
    if upright.mode == "RGBA":
        upright = _without_alpha(upright)
    rgb = np.array(_to_srgb(upright, profile))
    transfer = TRANSFERS.get((image.info.get("nclx_profile") or {}).get("transfer_characteristics", 0))
    return Picture(rgb=to_srgb(rgb, transfer) if transfer else rgb, alpha=alpha, frame_count=frame_count(image))


def _turned(image: Image.Image, original: Image.Image) -> Image.Image:
    """Apply the Exif orientation of `original`; broken Exif data is ignored."""
    try:
        orientation = original.getexif().get(0x0112, 1)
    except BROKEN_PICTURE_ERRORS:
        return image
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _without_alpha(image: Image.Image) -> Image.Image:
    return Image.merge("RGB", image.split()[:3])


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB of any 8-bit mode, through the embedded profile where there is one that fits the mode."""
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, embedded, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None  # a broken profile, or one of another mode: sRGB is assumed
        if converted is not None:
            return converted
    return image.convert("RGB")


def _grey_to_u8(grey: np.ndarray) -> UInt8[np.ndarray, "height width"]:
    """Scales deep samples to 8 bit: 16-bit integers by their full range, floats from [0, 1].

    32-bit integers count as 16-bit ones, as Pillow decodes PNG, unless they exceed that range.
    """
    if grey.dtype.kind == "f":
        full_scale = 1.0
    else:
        full_scale = 65535.0 if grey.dtype.itemsize == 2 or grey.max(initial=0) <= 65535 else 2.0**32 - 1
    scaled = np.nan_to_num(grey.astype(np.float64) / full_scale)
    return np.round(scaled.clip(0, 1) * 255).astype(np.uint8)


def _png_text(origin: Origin | None) -> PngInfo | None:
    if origin is None:
        return None
    text = PngInfo()
    if origin.text.isascii():
        text.add_text("Description", origin.text)
    else:
        text.add_itxt("Description", origin.text)
    text.add_itxt("XML:com.adobe.xmp", origin.xmp.decode())
    return text


def _texts(origin: Origin | None) -> dict[str, bytes]:
    """Exif and XMP for Pillow's other encoders."""
    if origin is None:
        return {}
    exif = Image.Exif()
    exif[_IMAGE_DESCRIPTION] = origin.text
    return {"exif": exif.tobytes(), "xmp": origin.xmp}
