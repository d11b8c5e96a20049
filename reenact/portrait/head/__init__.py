"""The full head of a source: face, ears, skull under its hair, and neck.

source mesh, matte ── fit_head ──▶ FullHead        (once; in a clip, `follow_head` for the other frames of a shot)
FullHead ──────────── unfold ────▶ Unfolded        (once: room for the surface that the source hides)
target meshes ─────── move_head ─▶ HeadFlow        (per frame)
"""

from reenact.portrait.head.fit import FullHead, fit_head, follow_head
from reenact.portrait.head.move import HeadFlow, move_head
from reenact.portrait.head.unfolded import Unfolded, unfold

__all__ = ["FullHead", "HeadFlow", "Unfolded", "fit_head", "follow_head", "move_head", "unfold"]
