"""Draw the driving clips of the page: the motions in `examples/motions`, on a drawn actor or a portrait.

    python -m examples.make_motions              # the drawn actor, no trained weights needed
    python -m examples.make_motions --portrait examples/portraits/astronaut.jpg

A motion is a JSON file of curves over time: head angles in degrees and Action Units in FACS intensity 0 to 5 ("AU12",
or "L12" and "R12" for the person's left and right side only). Each motion gives `examples/driving/NAME-MOTION.mp4` and
the frame with the strongest expression as a JPEG.
"""

import argparse
import json
import pathlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float

from examples.actor import NECK, Actor, Looks
from reenact.facs import ACTION_UNITS
from reenact.geometry.morphable import MorphableModel, Pose, load_morphable
from reenact.media import VideoWriter, read_image, write_image
from reenact.media.frame import Frame
from reenact.pipeline.animate import Animator
from reenact.pipeline.engine import load_engine
from reenact.pipeline.source import prepare_source
from reenact.provenance.origin import Origin
from reenact.types import FaceGeometry

DRAWN = Origin(text="Drawn by a program", source_type="algorithmicMedia")

HERE = pathlib.Path(__file__).resolve().parent
SIDE_PX = 256
ANGLES = ("pitch_deg", "yaw_deg", "roll_deg")


class Motion:
    """Curves of a motion, one value a frame."""

    def __init__(self, path: pathlib.Path) -> None:
        """Read a motion.

        Args:
            path: the JSON file.
        """
        data = json.loads(path.read_text(encoding="utf-8"))
        self.name, self.fps = path.stem, Fraction(data["fps"])
        self.count = round(data["seconds"] * self.fps)
        self._curves = {name: _eased(keys, self.count, float(self.fps)) for name, keys in data["tracks"].items()}

    def angles_rad(self) -> Float[torch.Tensor, "f 3"]:
        """Pitch, yaw and roll of every frame."""
        return torch.stack([self._curve(name) for name in ANGLES], dim=1).deg2rad()

    def offset(self, model: MorphableModel) -> Float[torch.Tensor, "f 478 3"]:
        """Displacement of every vertex by the expression, in head coordinates."""
        left = torch.sigmoid(model.mean[:, :1] / 0.08)  # x is positive on the person's left
        sides = {"AU": torch.ones_like(left), "L": left, "R": 1 - left}
        total = torch.zeros(self.count, 478, 3)
        for prefix, share in sides.items():
            units = torch.stack([self._curve(f"{prefix}{number}") for number in ACTION_UNITS], dim=1) / 5
            total += model.action_unit_offset(units) * share
        return total

    def peak(self) -> int:
        """Index of the frame with the largest motion, blinks excluded."""
        curves = [value / (15 if name in ANGLES else 5) for name, value in self._curves.items() if name != "AU45"]
        return int(torch.stack(curves).square().sum(0).argmax())

    def _curve(self, name: str) -> torch.Tensor:
        return self._curves.get(name, torch.zeros(self.count))


def rotate_head(pose: Pose, angles_rad: Float[torch.Tensor, "f 3"]) -> Pose:
    """Rotate a head around its neck.

    Args:
        pose: one head.
        angles_rad: pitch, yaw and roll added to the pose.
    """
    pitch, yaw, roll = angles_rad.unbind(1)
    zero, one = torch.zeros_like(pitch), torch.ones_like(pitch)
    about_x = torch.stack([one, zero, zero, zero, pitch.cos(), -pitch.sin(), zero, pitch.sin(), pitch.cos()], dim=1)
    about_y = torch.stack([yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()], dim=1)
    about_z = torch.stack([roll.cos(), -roll.sin(), zero, roll.sin(), roll.cos(), zero, zero, zero, one], dim=1)
    added = about_y.view(-1, 3, 3) @ about_x.view(-1, 3, 3) @ about_z.view(-1, 3, 3)
    rotation = added @ pose.rotation
    axes = torch.tensor((1.0, -1.0, -1.0))
    shift_px = ((pose.rotation - rotation) @ torch.tensor(NECK)) * axes * pose.scale[:, None]
    return Pose(rotation=rotation, scale=pose.scale.expand(len(added)), translation_px=pose.translation_px + shift_px)


def draw_actor(motion: Motion, model: MorphableModel) -> list[Frame]:
    """Draw the actor with this motion."""
    actor = Actor(model, Looks(), side_px=SIDE_PX)
    rest = Pose(
        rotation=torch.eye(3)[None],
        scale=torch.tensor([0.29 * SIDE_PX]),
        translation_px=torch.tensor([[0.5 * SIDE_PX, 0.5 * SIDE_PX, 0.0]]),
    )
    poses = rotate_head(rest, motion.angles_rad())
    shapes = model.mean + motion.offset(model)
    return [actor.draw(shapes[i], poses[slice(i, i + 1)]) for i in range(motion.count)]


def draw_portrait(motion: Motion, model: MorphableModel, portrait: pathlib.Path, system: str) -> list[Frame]:
    """Reenact a portrait with this motion."""
    engine = load_engine(checkpoint=system)
    source = prepare_source(
        read_image(portrait).rgb,
        system=engine.system,
        tracker=engine.tracker,
        smallest_px=SIDE_PX,
        largest_px=SIDE_PX,
        name=str(portrait),
    )
    rest = source.geometry
    fit = model.fit(rest.mesh_px)
    at_rest = fit.pose.invert(rest.mesh_px)
    moved = rotate_head(fit.pose, motion.angles_rad()).apply(at_rest + motion.offset(model))
    driving = FaceGeometry(
        mesh_px=moved,
        blendshapes=rest.blendshapes.expand(motion.count, -1),
        rotation=rest.rotation.expand(motion.count, -1, -1),
        action_units=rest.action_units.expand(motion.count, -1),
        score=rest.score.expand(motion.count),
    )
    animator = Animator(source, rest, system=engine.system, mode="relative", paste_back=False)
    starts = range(0, motion.count, animator.batch)
    return [frame for i in starts for frame in animator.draw(driving[slice(i, i + animator.batch)])]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the clips.

    Args:
        arguments: the command line; that of the process if None.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("motions", nargs="*", help="names of motions (default: all)")
    parser.add_argument("--portrait", type=pathlib.Path, help="draw the motions on this picture instead of the actor")
    parser.add_argument("--checkpoint", default="correspondence", help="reenactment system for --portrait")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "driving", help="folder of the results")
    chosen = parser.parse_args(arguments)
    paths = sorted((HERE / "motions").glob("*.json"))
    model = load_morphable()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for motion in (Motion(path) for path in paths if not chosen.motions or path.stem in chosen.motions):
        if chosen.portrait is None:
            frames, who = draw_actor(motion, model), "actor"
        else:
            frames = draw_portrait(motion, model, chosen.portrait, chosen.checkpoint)
            who = chosen.portrait.stem
        out = chosen.out / f"{who}-{motion.name}.mp4"
        write_clip(out, frames, motion.fps)
        write_image(out.with_suffix(".jpg"), frames[motion.peak()], overwrite=True)
        print(f"{out}: {len(frames)} frames, {out.stat().st_size / 1000:.0f} kB")


def write_clip(path: pathlib.Path, frames: list[Frame], fps: Fraction) -> None:
    """Write frames to a clip.

    Args:
        path: the clip; replaced if it exists.
        frames: pictures of one size.
        fps: frame rate.
    """
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width=width, height=height, fps=fps, overwrite=True, origin=DRAWN) as writer:
        for frame in frames:
            writer.write(frame)


def _eased(keys: list[list[float]], count: int, fps: float) -> torch.Tensor:
    """Value at every frame, with cosine easing between the keys (time in seconds, value)."""
    times, values = np.array(keys, np.float64).T
    at = np.arange(count) / fps
    after = np.clip(np.searchsorted(times, at, side="right"), 1, len(times) - 1)
    share = np.clip((at - times[after - 1]) / (times[after] - times[after - 1]), 0, 1)
    eased = (1 - np.cos(np.pi * share)) / 2
    return torch.from_numpy(values[after - 1] + (values[after] - values[after - 1]) * eased).float()


if __name__ == "__main__":
    main()
