"""Precision of the forward passes: bf16 only where the hardware computes in it.

A CPU without bf16 units emulates the format: convolutions are about twenty times slower there than in fp32.
"""

import platform
from typing import Literal

import torch

from reenact.errors import ConfigError

Precision = Literal["auto", "no", "fp16", "bf16"]
"""``auto`` is bf16 where the device computes in it, otherwise fp16 on GPUs and fp32 on CPUs. ``no`` is fp32."""


def choose_precision(asked: Precision, device: torch.device) -> Precision:
    """The precision that a run uses on `device`; never ``auto``.

    Raises:
        ConfigError: fp16 on a CPU.
    """
    if asked == "fp16" and device.type == "cpu":
        raise ConfigError("fp16 needs a GPU; take --mixed-precision auto or no")
    if asked != "auto":
        return asked
    if computes_in_bf16(device):
        return "bf16"
    return "fp16" if device.type == "cuda" else "no"


def describe_precision(asked: Precision, device: torch.device) -> str:
    """The precision in words, such as "fp32 (auto: this CPU has no bf16 units)"."""
    chosen = choose_precision(asked, device)
    name = "fp32" if chosen == "no" else chosen
    unit = "GPU" if device.type == "cuda" else "CPU"
    if asked != "auto":
        return f"{name} (as asked)"
    return f"{name} (auto: this {unit} has {'' if chosen == 'bf16' else 'no '}bf16 units)"


def computes_in_bf16(device: torch.device) -> bool:
    """Whether `device` has bf16 units; emulation does not count."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if platform.machine().lower() in ("x86_64", "amd64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    # says "yes" on any x86 CPU with AVX-512, where oneDNN emulates bf16; on others it asks for the units
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()
