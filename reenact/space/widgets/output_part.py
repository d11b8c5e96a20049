"""Format, quality and size of results."""

import math
from fractions import Fraction

import gradio as gr
from gradio.components import Component

from reenact.errors import ConfigError

PICTURES = [("PNG, lossless", "png"), ("JPEG", "jpg"), ("WebP", "webp")]
CLIPS = [("MP4 (H.264)", "mp4"), ("WebM (VP9)", "webm"), ("GIF", "gif"), ("WebP, animated", "webp")]
SILENT = ("gif", "webp")
"""Formats of clips that have no sound, and that browsers show as pictures."""

_SIZES = [("As the source", 0), *((f"{side} pixels", side) for side in (2160, 1440, 1080, 720, 512, 256))]
_RATES = [("As the clip", 0), *((f"{rate} a second", rate) for rate in (10, 12, 15, 24, 25, 30, 50, 60))]


class OutputPart:
    """Components in an accordion; `formats` are PICTURES or CLIPS."""

    def __init__(self, formats: list[tuple[str, str]]) -> None:
        self._has_rate = formats is CLIPS
        with gr.Accordion("Format and size", open=False):
            self.kind = gr.Radio(formats, value=formats[0][1], label="Format")
            with gr.Row():
                self.quality = gr.Slider(
                    1,
                    100,
                    value=95 if formats is PICTURES else 85,
                    step=1,
                    label="Quality",
                    info=_quality_info(formats),
                )
                self.longest = gr.Dropdown(
                    _SIZES, value=0, label="Longer side at most", info="Larger results are scaled down to it."
                )
                info = "Fewer pictures a second make a smaller file."
                self.fps = gr.Dropdown(_RATES, value=0, label="Rate", info=info, visible=self._has_rate)

    @property
    def components(self) -> list[Component]:
        """Format, quality, size, and the rate of clips."""
        parts: list[Component] = [self.kind, self.quality, self.longest]
        return [*parts, self.fps] if self._has_rate else parts


def _quality_info(formats: list[tuple[str, str]]) -> str:
    return "Of JPEG and WebP." if formats is PICTURES else "GIF has one quality."


def chosen_quality(quality: float | int) -> int:
    """The quality as a whole number.

    Raises:
        ConfigError: out of range.
    """
    if not 1 <= quality <= 100:
        raise ConfigError(f"The quality is set to {quality:g}; it takes 1 to 100.")
    return round(quality)


def chosen_size(longest_px: float | int) -> int | None:
    """Longest side of a result; None for that of the source.

    Raises:
        ConfigError: too small.
    """
    if longest_px and not 16 <= longest_px < math.inf:
        raise ConfigError(
            f"The longest side is set to {longest_px:g} pixels; it takes 16 or more, or 0 for the source's."
        )
    return int(longest_px) or None


def chosen_rate(fps: float | int) -> Fraction | None:
    """Frames a second; None for those of the clip.

    Raises:
        ConfigError: out of range.
    """
    if fps and not 1 <= fps <= 120:
        raise ConfigError(f"The rate is set to {fps:g} frames a second; it takes 1 to 120, or 0 for the clip's.")
    return Fraction(fps).limit_denominator(1001) if fps else None
