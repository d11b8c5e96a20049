"""From pairs to tasks: which rows to track, and which jobs to draw."""

import collections
import dataclasses

from reenact.systems.base import MotionMode
from reenact.types import FaceGeometry
from train.data.faces import FaceData
from train.evaluate.inputs import REFERENCE_SECONDS
from train.evaluate.jobs import Driver, Job, JobKind, TrackTask
from train.evaluate.methods import BATCH
from train.evaluate.pairs import PairSet, rows_by_name
from train.evaluate.profiled_faces import ProfiledFaces
from train.evaluate.settings import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """A pair, a run or a triplet, by rows."""

    kind: JobKind
    source: int
    driving: tuple[int, ...]
    second: int | None = None
    yaw_match: int | None = None
    direction: str = ""


def list_items(pairs: PairSet, data: FaceData) -> list[Item]:
    """Pairs, runs and triplets by rows."""
    rows = rows_by_name(data)
    items = [
        Item(
            kind="pair",
            source=rows[each.source],
            driving=(rows[each.target],),
            yaw_match=rows[each.yaw_match] if each.yaw_match else None,
            direction=each.direction,
        )
        for each in pairs.pairs
    ]
    items += [
        Item(kind="run", source=rows[each.source], driving=tuple(rows[name] for name in each.driving))
        for each in pairs.runs
    ]
    return items + [
        Item(kind="triplet", source=rows[each.source], driving=(rows[each.driving],), second=rows[each.second])
        for each in pairs.triplets
    ]


def plan_tracking(items: list[Item], data: FaceData, settings: Settings) -> dict[int, TrackTask]:
    """Tasks for driving clips, as far as they are needed, and stills; by their first row."""
    last: dict[int, int] = {}
    for item in items:
        for row in item.driving:
            first, _ = data.rows_around(row)
            last[first] = max(last.get(first, first), row)
    tasks = {}
    for first, row in last.items():
        is_clip = bool(data.clip[first] >= 0)
        ahead = int(REFERENCE_SECONDS * settings.fps) if is_clip else 1
        stop = min(max(row + 1, first + ahead), data.rows_around(first)[1])
        tasks[first] = TrackTask(rows=tuple(range(first, stop)), is_clip=is_clip)
    return tasks


def plan_sources(items: list[Item]) -> dict[int, TrackTask]:
    """Tasks for source pictures, by row."""
    return {row: TrackTask(rows=(row,), is_clip=False) for row in sorted({item.source for item in items})}


def plan_jobs(
    items: list[Item],
    data: FaceData,
    sources: dict[int, Driver],
    drivers: dict[int, Driver],
    modes: tuple[MotionMode, ...],
) -> tuple[list[Job], int]:
    """Jobs of up to `BATCH` frames, sorted by source.

    Returns:
        The jobs, and the number of items left out because a source or driving frame shows no face.
    """
    jobs: list[Job] = []
    grouped: dict[tuple[int, int, int | None, int | None, JobKind, str], list[int]] = collections.defaultdict(list)
    lost = 0
    for item in items:
        first, _ = data.rows_around(item.driving[0])
        found = drivers[first].geometry
        if item.source not in sources[item.source].geometry or any(row not in found for row in item.driving):
            lost += 1
        elif item.kind == "run":
            jobs += [_job(item.kind, item.source, item.driving, data, sources, drivers, mode) for mode in modes]
        else:
            key = item.source, first, item.second, item.yaw_match, item.kind, item.direction
            grouped[key].extend(item.driving)
    for (source, _, second, match, kind, direction), rows in sorted(grouped.items(), key=lambda entry: entry[0][:2]):
        for start in range(0, len(rows), BATCH):
            part = tuple(rows[start : start + BATCH])
            made = [
                _job(kind, source, part, data, sources, drivers, mode)
                for mode in (modes if kind == "pair" else ("absolute",))
            ]
            jobs += [dataclasses.replace(job, second=second, yaw_match=match, direction=direction) for job in made]
    return jobs, lost


def _job(
    kind: JobKind,
    source: int,
    driving: tuple[int, ...],
    data: FaceData,
    sources: dict[int, Driver],
    drivers: dict[int, Driver],
    mode: MotionMode,
) -> Job:
    driver = drivers[data.rows_around(driving[0])[0]]
    own = sources[source].geometry[source]
    same_clip = _same_clip(data, source, driving[0])
    return Job(
        kind=kind,
        source=source,
        source_geometry=own,
        driving=driving,
        driving_geometry=FaceGeometry.cat([driver.geometry[row] for row in driving]),
        # within a clip the source frame is the reference, so that the result is aligned with the real frame
        neutral=own if same_clip else driver.references[mode],
        mode=mode,
        truth=same_clip and kind == "pair",
    )


def _same_clip(data: FaceData, source: int, driving: int) -> bool:
    """Whether the driving frame is a real picture of the result."""
    if isinstance(data, ProfiledFaces):
        return bool(data.take[source] == data.take[driving])
    return bool(data.clip[source] >= 0 and data.clip[source] == data.clip[driving])
