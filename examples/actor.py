"""Drawn driving actor: the mean face of the morphable model, painted and shaded, with hair, neck and eyes."""

import dataclasses

import cv2
import numpy as np
import torch
from jaxtyping import Float

from reenact.geometry.landmarks import (
    FACE_OVAL,
    INNER_LIP_RING,
    LEFT_EYE_RING,
    LEFT_IRIS,
    RIGHT_EYE_RING,
    RIGHT_IRIS,
)
from reenact.geometry.morphable import MorphableModel, Pose
from reenact.geometry.rasterise import rasterise
from reenact.media.frame import Frame
from reenact.portrait.parts import crop_part
from reenact.portrait.teeth import draw_teeth

OUTER_LIP_RING = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
RIGHT_BROW_RING = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW_RING = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
RIGHT_UPPER_LID = (33, 246, 161, 160, 159, 158, 157, 173, 133)
LEFT_UPPER_LID = (263, 466, 388, 387, 386, 385, 384, 398, 362)
NOSTRILS = ((98, 97, 2), (327, 326, 2))
CHEEKS = (50, 280)
NECK = (0.0, -1.3, -1.0)
"""Centre of the head's rotation, head coordinates."""
_TEETH_PX = 8
"""Pixels of the drawn teeth along each of a mouth crop's."""
SUPERSAMPLING = 2
"""Supersampling: the picture is drawn this many times larger, then reduced."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Looks:
    """Colours, RGB 0 to 255."""

    skin: tuple[int, int, int] = (224, 178, 150)
    lips: tuple[int, int, int] = (188, 98, 94)
    teeth: tuple[int, int, int] = (238, 230, 218)
    throat: tuple[int, int, int] = (62, 20, 24)
    hair: tuple[int, int, int] = (62, 42, 32)
    iris: tuple[int, int, int] = (86, 110, 92)
    shirt: tuple[int, int, int] = (70, 96, 130)
    wall: tuple[int, int, int] = (176, 182, 186)


class Actor:
    """Draws a face mesh as a person."""

    def __init__(self, model: MorphableModel, looks: Looks, *, side_px: int) -> None:
        self._model, self._looks, self._side = model, looks, side_px
        size = side_px * SUPERSAMPLING
        self._noise = np.random.default_rng(0).normal(0, 1, (side_px, side_px, 1)).astype(np.float32)
        down = np.linspace(1.06, 0.86, size, dtype=np.float32)[:, None, None]
        self._wall = np.broadcast_to(np.array(looks.wall, np.float32) * down, (size, size, 3))

    def draw(self, shape: Float[torch.Tensor, "478 3"], pose: Pose) -> Frame:
        """Draw one picture.

        Args:
            shape: face shape in head coordinates.
            pose: pose of one head, in pixels of the picture.
        """
        large = Pose(
            rotation=pose.rotation, scale=pose.scale * SUPERSAMPLING, translation_px=pose.translation_px * SUPERSAMPLING
        )
        mesh = large.apply(shape[None])
        self._mesh = mesh[0].double().numpy()
        self._unit = float(large.scale[0])
        canvas = self._wall.copy()
        self._draw_body(canvas, large)
        self._draw_face(canvas, mesh)
        small = cv2.resize(canvas, (self._side, self._side), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), 0.5) + 1.5 * self._noise
        return np.round(small.clip(0, 255)).astype(np.uint8)

    def _draw_body(self, canvas: np.ndarray, pose: Pose) -> None:
        """Shoulders, neck, hair and ears. Shoulders keep their place below the neck; hair and ears follow the head."""
        unit, looks = self._unit, self._looks
        foot = self._project(pose, NECK) + (0, 0.1 * unit)
        shoulders = foot + (0, 0.8 * unit)
        self._ellipse(canvas, shoulders, (1.8 * unit, 0.92 * unit), looks.shirt)
        chin = self._project(pose, (0, -0.6, -0.55))
        half = 0.47 * unit
        neck = np.array([chin - (half, 0), chin + (half, 0), foot + (1.1 * half, 0), foot - (1.1 * half, 0)])
        self._polygon(canvas, neck, _scale_colour(looks.skin, 0.72), blur=0.03)
        self._ellipse(canvas, foot, (0.52 * unit, 0.2 * unit), _scale_colour(looks.skin, 0.72))
        roll = np.degrees(np.arctan2(*(self._project(pose, (0, -1, 0)) - self._project(pose, (0, 0, 0)))))
        self._ellipse(canvas, self._project(pose, (0, 0.42, -0.62)), (0.98 * unit, 1.1 * unit), looks.hair, -roll)
        for x in (-1, 1):
            self._ellipse(
                canvas,
                self._project(pose, (0.86 * x, 0.06, -0.72)),
                (0.11 * unit, 0.23 * unit),
                _scale_colour(looks.skin, 0.82),
            )

    def _draw_face(self, canvas: np.ndarray, mesh: torch.Tensor) -> None:
        side, looks = self._side * SUPERSAMPLING, self._looks
        paint = np.empty_like(canvas)
        paint[:] = looks.skin
        self._paint(paint)
        # the mesh ends below the hair line; a fringe is drawn over its upper rim below
        raster = rasterise(mesh.float(), self._model.triangles, side, side)
        normals = _vertex_normals(mesh[0].double(), self._model.triangles)
        shade = raster.interpolate(_light(normals)[None, :, None].float(), self._model.triangles)[0, 0].numpy()
        covered = raster.covered[0].numpy().astype(np.float32)
        shade = cv2.GaussianBlur(np.where(covered > 0, shade, 0.8).astype(np.float32), (0, 0), 0.035 * self._unit)
        soft = cv2.GaussianBlur(
            cv2.erode(covered, np.ones((3, 3)), iterations=SUPERSAMPLING), (0, 0), 0.012 * self._unit
        )
        face = paint * shade[..., None]
        canvas += soft[..., None] * (face - canvas)
        fringe = self._points(FACE_OVAL)
        top = fringe[np.r_[-9:0, 0:10]]
        inner = top + (self._points((1,)) - top) * np.linspace(0.02, 0.02, len(top))[:, None]
        middle = len(top) // 2
        inner[middle - 5 : middle + 6] += (self._points((1,)) - inner[middle - 5 : middle + 6]) * 0.13
        outer = top + (top - self._points((1,))) * 0.22
        self._polygon(canvas, np.concatenate([outer, inner[::-1]]), looks.hair, blur=0.03)

    def _paint(self, paint: np.ndarray) -> None:
        """Draw cheeks, mouth, nostrils, eyes and brows on the unshaded skin."""
        looks = self._looks
        for cheek in CHEEKS:
            self._ellipse(paint, self._mesh[cheek, :2], (0.2 * self._unit,) * 2, (226, 160, 138), blur=0.1)
        self._polygon(paint, self._points(OUTER_LIP_RING), looks.lips, blur=0.012)
        self._draw_mouth(paint)
        for nostril in NOSTRILS:
            place = self._points(nostril).mean(0)
            self._ellipse(
                paint, place, (0.05 * self._unit, 0.025 * self._unit), _scale_colour(looks.skin, 0.4), blur=0.012
            )
        for ring, iris, lid in (
            (RIGHT_EYE_RING, RIGHT_IRIS, RIGHT_UPPER_LID),
            (LEFT_EYE_RING, LEFT_IRIS, LEFT_UPPER_LID),
        ):
            self._draw_eye(paint, ring, iris, lid)
        for brow in (RIGHT_BROW_RING, LEFT_BROW_RING):
            self._polygon(paint, self._points(brow), _scale_colour(looks.hair, 1.1), blur=0.014)

    def _draw_mouth(self, paint: np.ndarray) -> None:
        ring, looks = self._points(INNER_LIP_RING), self._looks
        mesh = torch.from_numpy(self._mesh).float()[None]
        onto = crop_part(mesh, "mouth")
        light = draw_teeth(mesh, onto, torch.ones(1, 1, 1, 1), _TEETH_PX)[0, 0].numpy()
        layer_from_canvas = onto[0].numpy() * _TEETH_PX
        layer_from_canvas[:, 2] += layer_from_canvas[:, :2].sum(1) / 2 - 0.5  # pixel centres
        light = cv2.warpAffine(
            light, layer_from_canvas, paint.shape[1::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        inside = np.float32(looks.throat) + light[..., None] * (np.float32(looks.teeth) - np.float32(looks.throat))
        self._blend(paint, inside, ring, blur=0.006)
        self._line(paint, ring[:11], _scale_colour(looks.lips, 0.55), width=0.022)

    def _draw_eye(self, paint: np.ndarray, ring: tuple[int, ...], iris: tuple[int, ...], lid: tuple[int, ...]) -> None:
        inside = np.empty_like(paint)
        inside[:] = (238, 234, 230)
        points = self._points(iris)
        radius = max(float(np.linalg.norm(points[1:] - points[0], axis=1).max()), 0.1 * self._unit)
        self._ellipse(inside, points[0], (radius, radius), _scale_colour(self._looks.iris, 0.6), blur=0.008)
        self._ellipse(inside, points[0], (0.82 * radius,) * 2, self._looks.iris, blur=0.008)
        self._ellipse(inside, points[0], (0.42 * radius,) * 2, (14, 12, 12), blur=0.005)
        self._ellipse(inside, points[0] - 0.3 * radius, (0.16 * radius,) * 2, (255, 255, 255))
        self._blend(paint, inside, self._points(ring), blur=0.006)
        self._line(paint, self._points(lid), (48, 32, 28), width=0.045)
        crease = self._points(lid)[1:-1] - (0, 0.06 * self._unit)
        self._line(paint, crease, _scale_colour(self._looks.skin, 0.72), width=0.025)

    def _points(self, indices: tuple[int, ...]) -> np.ndarray:
        return self._mesh[list(indices), :2]

    def _project(self, pose: Pose, head: tuple[float, float, float]) -> np.ndarray:
        return (
            pose.apply(torch.tensor(head, dtype=torch.float32)[None, None].expand(1, 478, 3))[0, 0, :2].double().numpy()
        )

    def _blend(self, canvas: np.ndarray, other: np.ndarray, points: np.ndarray, *, blur: float) -> None:
        """Draw `other`, a picture or a colour, into a polygon of `canvas`, with an edge `blur` head units soft."""
        sigma = max(blur * self._unit, 0.4)
        low = np.floor(points.min(0) - 3 * sigma - 1).astype(int).clip(0, canvas.shape[0])
        high = np.ceil(points.max(0) + 3 * sigma + 2).astype(int).clip(0, canvas.shape[0])
        if (high <= low).any():
            return
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        corners = np.round((points - low - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, shift=4)
        soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma)[..., None]
        inside = other[part] if other.ndim == 3 else other
        canvas[part] += soft * (inside - canvas[part])

    def _polygon(
        self, canvas: np.ndarray, points: np.ndarray, colour: tuple[int, int, int], *, blur: float = 0.01
    ) -> None:
        self._blend(canvas, np.array(colour, np.float32), points, blur=blur)

    def _line(self, canvas: np.ndarray, points: np.ndarray, colour: tuple[int, int, int], *, width: float) -> None:
        """Draw an open line, `width` head units wide in the middle and pointed at the ends."""
        along = np.gradient(points, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], 1) / np.linalg.norm(along, axis=1, keepdims=True).clip(1e-6)
        half = 0.5 * width * self._unit * np.sin(np.linspace(0.15, np.pi - 0.15, len(points)))[:, None] * across
        self._polygon(canvas, np.concatenate([points + half, (points - half)[::-1]]), colour, blur=0.006)

    def _ellipse(
        self,
        canvas: np.ndarray,
        centre: np.ndarray | tuple[float, float],
        half: tuple[float, float],
        colour: tuple[int, int, int],
        rotation_deg: float = 0.0,
        *,
        blur: float = 0.02,
    ) -> None:
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        turn = np.radians(rotation_deg)
        ring = np.stack([half[0] * np.cos(angle), half[1] * np.sin(angle)], 1)
        ring = ring @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        self._polygon(canvas, ring + np.asarray(centre), colour, blur=blur)


def _vertex_normals(mesh: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
    """Unit normals in pixel axes; negative z points to the viewer."""
    a, b, c = mesh[triangles].unbind(1)
    faces = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(mesh).index_add_(0, triangles.flatten(), faces.repeat_interleave(3, 0))
    normals = normals / normals.norm(dim=1, keepdim=True).clamp(min=1e-9)
    return torch.where(normals[:, 2].mean() > 0, -normals, normals)


def _light(normals: torch.Tensor) -> torch.Tensor:
    """Brightness under a lamp at the upper left plus ambient light."""
    lamp = torch.tensor([-0.45, -0.55, -0.7], dtype=normals.dtype)
    lambert = (normals @ (lamp / lamp.norm())).clamp(min=0)
    return 0.52 + 0.5 * lambert + 0.06 * (-normals[:, 2]).clamp(min=0)


def _scale_colour(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    return (round(colour[0] * factor), round(colour[1] * factor), round(colour[2] * factor))
