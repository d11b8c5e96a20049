"""The 17 Action Units of a face, from the tracker's blendshapes and mesh.

Fifteen units are blendshapes under another name, stretched so that 0 is what neutral faces show and 1 the strongest
that the labelled set holds (its 99.9th percentile). Cheek raiser (AU6), nose wrinkler (AU9) and lips apart (AU25) are
measured on the mesh: MediaPipe's own scores for the first two are 0 on nearly every face. A measure is the distance of
two points in three dimensions over that of the outer eye corners, which neither pose nor scale changes. The person's
own neutral mesh, where it is known, takes out the rest of the identity.
"""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor

from reenact.facs import ACTION_UNITS
from reenact.geometry.landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER

BLENDSHAPE_NAMES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft"),
    *("eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft"),
    *("eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft"),
    *("jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft"),
    *("mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft"),
    *("mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower"),
    *("mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)
"""MediaPipe's 52 blendshapes in its order; left and right are the person's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlendshapeUnit:
    """An Action Unit that a blendshape stands for."""

    name: str
    """The blendshape, without "Left" and "Right"."""
    neutral: float
    """Score of a neutral face (75th percentile), read as 0."""
    full: float
    """Score read as intensity 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshUnit:
    """An Action Unit that shows as points drawing together or apart."""

    left: tuple[tuple[int, int], ...]
    """Pairs of mesh points on the person's left; the measure is the sum of their distances."""
    right: tuple[tuple[int, int], ...]
    """The same on the right."""
    typical: float
    """Measure of an average neutral face, in outer eye-corner distances."""
    neutral: float
    """Measure over the typical one that is read as 0: half a standard deviation of neutral people past 1."""
    full: float
    """Measure over the typical one that is read as intensity 1."""


UNITS: dict[int, BlendshapeUnit | MeshUnit] = {
    1: BlendshapeUnit(name="browInnerUp", neutral=0.08, full=0.99),
    2: BlendshapeUnit(name="browOuterUp", neutral=0.08, full=0.99),
    4: BlendshapeUnit(name="browDown", neutral=0.09, full=0.86),
    5: BlendshapeUnit(name="eyeWide", neutral=0.02, full=0.57),
    # the fold below the lower lid and the outer rim of the orbit, each to the cheek below: a smiling cheek rises
    6: MeshUnit(left=((261, 347), (372, 280)), right=((31, 118), (143, 50)), typical=0.605, neutral=0.980, full=0.840),
    7: BlendshapeUnit(name="eyeSquint", neutral=0.53, full=0.83),
    # inner eye corner to nose wing: wrinkling pulls the wing up
    9: MeshUnit(left=((358, 362),), right=((129, 133),), typical=0.433, neutral=0.970, full=0.800),
    10: BlendshapeUnit(name="mouthUpperUp", neutral=0.02, full=0.91),
    12: BlendshapeUnit(name="mouthSmile", neutral=0.01, full=0.98),
    14: BlendshapeUnit(name="mouthDimple", neutral=0.02, full=0.50),
    15: BlendshapeUnit(name="mouthFrown", neutral=0.01, full=0.39),
    17: BlendshapeUnit(name="mouthShrugLower", neutral=0.03, full=0.87),
    20: BlendshapeUnit(name="mouthStretch", neutral=0.01, full=0.56),
    23: BlendshapeUnit(name="mouthPress", neutral=0.08, full=0.68),
    # inner edges of the lips next to the middle; "typical" 1 leaves the measure as it is
    25: MeshUnit(left=((312, 317),), right=((82, 87),), typical=1.0, neutral=0.03, full=0.30),
    26: BlendshapeUnit(name="jawOpen", neutral=0.06, full=0.78),
    45: BlendshapeUnit(name="eyeBlink", neutral=0.25, full=0.83),
}
"""How each of `ACTION_UNITS` is read; numbers from the labelled set's neutral faces and strongest expressions."""


def read_action_units(
    blendshapes: Float[Tensor, "f 52"],
    mesh_px: Float[Tensor, "f 478 3"],
    neutral_mesh_px: Float[Tensor, "#f 478 3"] | None = None,
) -> Float[Tensor, "f 17"]:
    """Intensity of `ACTION_UNITS`, 0 to 1: the mean of both sides.

    Args:
        blendshapes: `BLENDSHAPE_NAMES`, 0 to 1.
        mesh_px: the same faces, in pixels of any picture and in any pose.
        neutral_mesh_px: the person with a neutral face, any pose; None compares with the average person.
    """
    return read_action_unit_sides(blendshapes, mesh_px, neutral_mesh_px).mean(2)


def read_action_unit_sides(
    blendshapes: Float[Tensor, "f 52"],
    mesh_px: Float[Tensor, "f 478 3"],
    neutral_mesh_px: Float[Tensor, "#f 478 3"] | None = None,
) -> Float[Tensor, "f 17 2"]:
    """`read_action_units` for the person's left and right half of the face, in this order."""
    units: list[Tensor] = []
    for number in ACTION_UNITS:
        unit = UNITS[number]
        if isinstance(unit, BlendshapeUnit):
            value = blendshapes[:, _side_indices(unit.name)]
        else:
            # "apart" has no typical distance of a person: a neutral mouth is always closed
            own = neutral_mesh_px is not None and unit.typical != 1.0
            reference = _measure(neutral_mesh_px, unit) if own else unit.typical  # type: ignore[arg-type]
            value = _measure(mesh_px, unit) / reference
        units.append(((value - unit.neutral) / (unit.full - unit.neutral)).clamp(0, 1))
    return torch.stack(units, dim=1)


def blendshapes_of_action_units(action_units: Float[Tensor, "f 17"]) -> Float[Tensor, "f 52"]:
    """Blendshapes from which `read_action_units` reads these units again, those that it measures on the mesh apart."""
    blendshapes = action_units.new_zeros(len(action_units), len(BLENDSHAPE_NAMES))
    for column, number in enumerate(ACTION_UNITS):
        unit = UNITS[number]
        if isinstance(unit, BlendshapeUnit):
            score = unit.neutral + (unit.full - unit.neutral) * action_units[:, column]
            blendshapes[:, _side_indices(unit.name)] = score[:, None]
    return blendshapes


def _measure(mesh_px: Float[Tensor, "f 478 3"], unit: MeshUnit) -> Float[Tensor, "f 2"]:
    """Sum of the distances of the unit's pairs over the outer eye-corner distance, left and right."""
    eyes = (mesh_px[:, LEFT_EYE_OUTER] - mesh_px[:, RIGHT_EYE_OUTER]).norm(dim=-1).clamp(min=1e-6)
    sides: list[Tensor] = []
    for pairs in (unit.left, unit.right):
        first, second = mesh_px[:, [a for a, _ in pairs]], mesh_px[:, [b for _, b in pairs]]
        sides.append((first - second).norm(dim=-1).sum(1) / eyes)
    return torch.stack(sides, dim=1)


def _side_indices(name: str) -> list[int]:
    if name in BLENDSHAPE_NAMES:
        return [BLENDSHAPE_NAMES.index(name)] * 2
    return [BLENDSHAPE_NAMES.index(name + side) for side in ("Left", "Right")]
