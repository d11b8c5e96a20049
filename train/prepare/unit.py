"""Turns one source file into one unit: a tar file with a sample for every usable face.

PickedFrames ──▶ SceneCuts, Follower ──▶ a StretchBuilder per person ── ended ──▶ Cutter ──▶ samples, rejections
"""

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reenact.errors import UnsupportedInputError
from reenact.media import kind_of, read_image
from reenact.media.picked_frames import PickedFrames
from reenact.perception.tracking import share_outside
from train.data.shards import Sample, write_shard
from train.prepare.cutting import Cut, Cutter, cut_still
from train.prepare.filters import Rejection
from train.prepare.following import Follower, SceneCuts, Sighting, find_faces, overlap
from train.prepare.labels import Labeller
from train.prepare.settings import PrepareSettings
from train.prepare.sources import Source
from train.prepare.stretches import Stretch, StretchBuilder

DETECT_EVERY_S = 1.0
"""Seconds between detections of new people."""

REPORT_EVERY = 16
"""Frames between calls of `progress`."""

SUMMARY_KEY = "unit"
"""Key of the last sample of a unit, which holds the `Summary`."""

UnitProgress = Callable[[int, float], None]
"""Called with the frames processed since the last call and the processed share of the file."""


@dataclasses.dataclass(kw_only=True)
class Summary:
    """Counts and rejections of a file."""

    origin: str
    frames: int = 0
    """Processed frames, after resampling."""
    face_frames: int = 0
    """Faces in these frames."""
    people: int = 0
    """Tracks; a person who is lost and found again counts twice."""
    rejected: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """`Rejection`s as dicts."""


def write_unit(
    source: Source, path: pathlib.Path, labeller: Labeller, settings: PrepareSettings, progress: UnitProgress
) -> Summary:
    """Process one file and write its unit atomically.

    Raises:
        UnsupportedInputError: the file cannot be read.
        OutputError: the unit cannot be written.
    """
    summary = Summary(origin=source.origin)
    samples = _samples(source, labeller, settings, progress, summary)
    first = next(samples)  # opens the source before the unit, so that errors of the two are not confused
    write_shard(path, itertools.chain([first], samples))
    return summary


def _samples(
    source: Source, labeller: Labeller, settings: PrepareSettings, progress: UnitProgress, summary: Summary
) -> Iterator[Sample]:
    """The samples of a file, then its summary."""
    count = 0
    for result in _results(source, labeller, settings, progress, summary):
        if isinstance(result, Rejection):
            summary.rejected.append(dataclasses.asdict(result))
            continue
        key = f"{count:06d}"
        count += 1
        if "rejected" in result.facts:
            summary.rejected.append(result.facts["rejected"] | {"thumbnail": key})
        files = result.files | {"json": json.dumps(result.facts, ensure_ascii=False).encode()}
        yield Sample(key=key, files=files)
    yield Sample(key=SUMMARY_KEY, files={"json": json.dumps(dataclasses.asdict(summary), ensure_ascii=False).encode()})


def _results(
    source: Source, labeller: Labeller, settings: PrepareSettings, progress: UnitProgress, summary: Summary
) -> Iterator[Cut | Rejection]:
    try:
        work = _clip if kind_of(source.path) == "video" else _picture
        yield from work(source, labeller, settings, progress, summary)
    except OSError as error:  # only reading happens here, so this is no full disk
        raise UnsupportedInputError(
            f"{source.path} cannot be read to its end: {error.strerror or error}; copy it again."
        ) from error


def _clip(
    source: Source, labeller: Labeller, settings: PrepareSettings, progress: UnitProgress, summary: Summary
) -> Iterator[Cut | Rejection]:
    max_s = None if settings.max_minutes is None else settings.max_minutes * 60
    frames = PickedFrames(source.path, settings.fps, max_s=max_s)
    follower = Follower(
        labeller.tracker,
        min_score=settings.min_score,
        min_face_px=settings.min_face_px,
        detect_every=max(round(DETECT_EVERY_S * frames.fps), 1),
    )
    cuts, cutter = SceneCuts(), Cutter(frames, source, frames.fps, labeller, settings)
    builders: dict[int, StretchBuilder] = {}
    expected = max(frames.duration_s * float(frames.fps), 1.0)
    for picked in frames:
        rgb = picked.rgb
        cut = cuts.begins(rgb) or picked.after_gap
        sightings = {sighting.person: sighting for sighting in follower.step(rgb, cut=cut)}
        for person in sorted(set(builders) - set(sightings)):
            _add_if_any(builders.pop(person).close(), cutter)
        for person, sighting in sightings.items():
            if person not in builders:
                summary.people += 1
                builders[person] = StretchBuilder(
                    (rgb.shape[1], rgb.shape[0]), crop_scale=settings.crop_scale, max_frames=settings.max_frames
                )
            _add_if_any(builders[person].add(picked.slot, sighting), cutter)
        summary.frames += 1
        summary.face_frames += len(sightings)
        yield from cutter.advance(min((one.first_slot for one in builders.values()), default=picked.slot + 1))
        if summary.frames % REPORT_EVERY == 0:
            progress(REPORT_EVERY, min(summary.frames / expected, 1.0))
    for person in sorted(builders):
        _add_if_any(builders[person].close(), cutter)
    yield from cutter.advance(None)
    progress(summary.frames % REPORT_EVERY, 1.0)
    if not summary.people:
        yield _no_face(source, summary.frames, follower.largest_small_px, settings)


def _add_if_any(stretch: Stretch | None, cutter: Cutter) -> None:
    if stretch is not None:
        cutter.add(stretch)


def _picture(
    source: Source, labeller: Labeller, settings: PrepareSettings, progress: UnitProgress, summary: Summary
) -> Iterator[Cut | Rejection]:
    """Faces of a picture: the one in the box if there is one, else the largest if the person is known, else all."""
    rgb = read_image(source.path).rgb
    boxes = list(labeller.tracker.detector.detect(rgb).boxes_px)
    if source.box_px is not None:
        wanted = np.asarray(source.box_px, np.float32)
        boxes = sorted(boxes, key=lambda box: -overlap(box, wanted))[:1]
        boxes = boxes if boxes and overlap(boxes[0], wanted) > 0.1 else [wanted]
    elif source.person is not None:
        boxes = boxes[:1]
    faces = find_faces(labeller.tracker, rgb, boxes, min_score=settings.min_score)
    summary.frames, summary.face_frames, summary.people = 1, len(faces), len(faces)
    for person, face in enumerate(faces):
        builder = StretchBuilder((rgb.shape[1], rgb.shape[0]), crop_scale=settings.crop_scale, max_frames=1)
        builder.add(
            0,
            Sighting(
                person=person,
                mesh_px=face.mesh_px[0].numpy(),
                score=float(face.score[0]),
                share_outside=share_outside(face, rgb),
            ),
        )
        stretch = builder.close()
        assert stretch is not None
        yield cut_still(rgb, stretch, source, labeller, settings)
    progress(1, 1.0)
    if not faces:
        yield _no_face(source, 1, 0.0, settings)


def _no_face(source: Source, frames: int, largest_small_px: float, settings: PrepareSettings) -> Rejection:
    if largest_small_px:
        detail = f"the largest face is about {largest_small_px:.0f} px, need {settings.min_face_px}"
        return Rejection(origin=source.origin, reason="small", detail=detail, frames=frames)
    return Rejection(origin=source.origin, reason="no face", detail=f"in {frames} frames", frames=frames)
