"""A whole run: find files, process those that are not done, assemble the set."""

import contextlib
import csv
import dataclasses
import fcntl
import io
import json
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from reenact.errors import NoFaceFoundError, OutputError
from reenact.media.output import disk_errors, replacing
from train.data.shards import read_index
from train.prepare.assemble import Entry, Material, hours_of, move_into_place, name_entries, read_units, write_set
from train.prepare.filters import REASONS, Rejection
from train.prepare.people import SPLITS
from train.prepare.report import write_report
from train.prepare.settings import PrepareSettings, digest_of, fingerprint, refuse_other_run
from train.prepare.sources import Found, Source, find_sources
from train.prepare.work import Done, Event, failures, unit_path, work_on

_FACTS = "facts.json"
"""In OUT/report: the facts of a finished set, for a later run with nothing to do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareProgress:
    """Progress of a run."""

    files_done: int
    files: int
    frames: int
    """Processed in this run."""
    frames_per_s: float
    """Of all processes together."""
    seconds_left: float | None
    """Estimate from the sizes of the files; None at the start."""
    stage: str


Progress = Callable[[PrepareProgress], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreparedFacts:
    """Facts of a prepared set."""

    out: pathlib.Path
    people: int
    clips: int
    stills: int
    frames: int
    """Of the clips."""
    hours: float
    """Playing time of the clips."""
    people_of_split: dict[str, int]
    rejected: dict[str, int]
    """Number of stretches, pictures and files left out, by reason; rejected.csv lists them."""
    notes: tuple[str, ...]
    """How the folder was read; one line each."""
    warnings: tuple[str, ...]
    """Weaknesses of the set; one line each."""
    frames_worked_on: int = 0
    """Processed in this run, after resampling."""
    seconds: float = 0.0
    """Time that this run spent on files."""


def no_progress(progress: PrepareProgress) -> None:
    """No-op callback."""


def prepare(settings: PrepareSettings, *, progress: Progress = no_progress) -> PreparedFacts:
    """Make a set, or resume an interrupted run.

    Raises:
        UnsupportedInputError: no clips or pictures, or none that fit the layout.
        NoFaceFoundError: no usable face in any file.
        OutputError: the folder holds something else, another run writes to it, or the disk is full.
        WorkError: a worker process died.
        MissingDependencyError: the teacher is missing.
    """
    found = find_sources(settings)
    facts = fingerprint(settings, found.layout, found.digest)
    work = settings.out / "work"
    _refuse_foreign(settings.out)
    try:
        (work / "units").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot write {settings.out}: {error.strerror}; give another --out.") from error
    with _only_run(work):
        earlier = _earlier_settings(settings.out)
        if earlier is not None:
            refuse_other_run(settings.out, facts, earlier)
        if earlier == facts and not any((work / "units").iterdir()) and (settings.out / "index.json").exists():
            return _saved_facts(settings.out)  # finished, and cleaned
        _write_whole(work / "settings.json", json.dumps(facts, indent=1))
        result = _resume(settings, found, facts, progress)
    if settings.clean:
        shutil.rmtree(work)
    return result


def _resume(settings: PrepareSettings, found: Found, facts: dict[str, Any], progress: Progress) -> PreparedFacts:
    units = settings.out / "work" / "units"
    _remove_stale_units(units, found.sources)
    started, reporter = time.monotonic(), _ProgressReporter(found.sources, units, progress)
    undone = [source for source in found.sources if not unit_path(units, source).exists()]
    work_on(undone, units, settings, reporter.on_event)
    seconds = time.monotonic() - started
    failed = failures(reporter.ends)
    names = [source.unit for source in found.sources]
    digest = digest_of([names, [dataclasses.asdict(one) for one in failed]])
    finished = settings.out / "work" / "finished.json"
    if _read_json(finished) == {"results": digest} and (settings.out / "index.json").exists():
        return dataclasses.replace(_saved_facts(settings.out), seconds=seconds)
    reporter.report("assembling the set")
    paths = [path for source in found.sources if (path := unit_path(units, source)).exists()]
    with disk_errors(settings.out):
        result = _assemble(settings, name_entries(read_units(paths, failed), settings), facts, found.notes)
        _write_whole(finished, json.dumps({"results": digest}))
    return dataclasses.replace(result, frames_worked_on=reporter.frames, seconds=seconds)


def _assemble(
    settings: PrepareSettings, material: Material, facts: dict[str, Any], notes: Sequence[str]
) -> PreparedFacts:
    """Write the set to a folder below OUT/work, then move it to OUT."""
    rejections = [rejection for rejection, _ in material.rejected]
    if not material.entries:
        _write_whole(settings.out / "rejected.csv", _table_of(rejections))
        raise NoFaceFoundError(_no_face_text(settings, rejections))
    fresh = settings.out / "work" / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "report").mkdir(parents=True)
    try:
        write_set(fresh, material.entries, settings, facts)
        (fresh / "rejected.csv").write_text(_table_of(rejections), encoding="utf-8")
        result = _facts_of(settings, material, notes)
        saved = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        for of_this_run in ("out", "frames_worked_on", "seconds"):
            del saved[of_this_run]
        (fresh / "report" / _FACTS).write_text(json.dumps(saved, indent=1, ensure_ascii=False), encoding="utf-8")
        write_report(fresh, material, notes=notes, warnings=result.warnings, settings=facts)
        move_into_place(fresh, settings.out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return result


def _facts_of(settings: PrepareSettings, material: Material, notes: Sequence[str]) -> PreparedFacts:
    entries = material.entries
    of_split = {split: len({e.person for e in entries if e.split == split}) for split in SPLITS}
    return PreparedFacts(
        out=settings.out,
        people=len({entry.person for entry in entries}),
        clips=sum(entry.is_clip for entry in entries),
        stills=sum(not entry.is_clip for entry in entries),
        frames=sum(entry.facts["frames"] for entry in entries if entry.is_clip),
        hours=round(hours_of(entries), 4),
        people_of_split=of_split,
        rejected=_count_reasons([rejection for rejection, _ in material.rejected]),
        notes=tuple(notes),
        warnings=tuple(_warnings(of_split, settings, entries)),
    )


def _count_reasons(rejections: Sequence[Rejection]) -> dict[str, int]:
    counts = {reason: sum(one.reason == reason for one in rejections) for reason in REASONS}
    return {reason: count for reason, count in counts.items() if count}


def _warnings(of_split: dict[str, int], settings: PrepareSettings, entries: Sequence[Entry]) -> Iterator[str]:
    if not of_split["val"]:
        yield (
            "only one person: all samples are in train, so nothing is left for validation and test; add clips of other "
            "people"
        )
    elif not of_split["test"] and settings.test_share > 0:
        yield f"only {sum(of_split.values())} people: test is empty"
    train = sum(entry.facts["frames"] for entry in entries if entry.split == "train")
    if train < 1000:
        yield f"only {train} frames to train on; a usable result needs about ten thousand"


def _no_face_text(settings: PrepareSettings, rejections: Sequence[Rejection]) -> str:
    listed = ", ".join(f"{reason} {count}" for reason, count in _count_reasons(rejections).items())
    return (
        f"No usable face in {settings.videos} ({listed}); see {settings.out / 'rejected.csv'}. Faces need at least "
        f"{settings.min_face_px} px (--min-face-px) and {settings.min_frames} consecutive frames (--min-frames)."
    )


class _ProgressReporter:
    """Turns events of workers into progress."""

    def __init__(self, sources: Sequence[Source], units: pathlib.Path, progress: Progress) -> None:
        self._sizes = {source.origin: max(source.size_bytes, 1) for source in sources}
        self._all = len(sources)
        done = [source for source in sources if unit_path(units, source).exists()]
        self._done = len(done)
        self._open_bytes = sum(self._sizes[s.origin] for s in sources) - sum(self._sizes[s.origin] for s in done)
        self._done_bytes_of: dict[str, float] = {}
        self._done_bytes = 0.0
        self._progress, self._started = progress, time.monotonic()
        self.frames = 0
        self.ends: list[Done] = []
        self.report("starting")

    def on_event(self, event: Event) -> None:
        """Count an event and report."""
        origin = event.source.origin
        share = 1.0 if isinstance(event, Done) else event.share
        if isinstance(event, Done):
            self._done += 1
            self.ends.append(event)
        else:
            self.frames += event.frames
        done_bytes = share * self._sizes[origin]
        self._done_bytes += done_bytes - self._done_bytes_of.get(origin, 0.0)
        self._done_bytes_of[origin] = done_bytes
        self.report("working")

    def report(self, stage: str) -> None:
        """Call the progress callback."""
        elapsed, done = time.monotonic() - self._started, self._done_bytes
        left = elapsed * (self._open_bytes - done) / done if done else None
        self._progress(
            PrepareProgress(
                files_done=self._done,
                files=self._all,
                frames=self.frames,
                frames_per_s=self.frames / max(elapsed, 1e-6),
                seconds_left=None if left is None else max(left, 0.0),
                stage=stage,
            )
        )


def _refuse_foreign(out: pathlib.Path) -> None:
    """Raise if the folder holds files that no run of this program wrote."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; give --out a folder.")
    known = (out / "index.json").exists() or (out / "work" / "settings.json").exists()
    if out.is_dir() and not known and any(path.name != "work" for path in out.iterdir()):
        raise OutputError(f"{out} holds other files; give --out a new or an empty folder.")


def _earlier_settings(out: pathlib.Path) -> dict[str, Any] | None:
    saved = _read_json(out / "work" / "settings.json")
    if saved is None and (out / "index.json").exists():
        return read_index(out).settings
    return saved


def _saved_facts(out: pathlib.Path) -> PreparedFacts:
    saved = _read_json(out / "report" / _FACTS)
    if saved is None:
        raise OutputError(f"{out / 'report' / _FACTS} is missing; delete {out} and run the same command again.")
    return PreparedFacts(out=out, **(saved | {name: tuple(saved[name]) for name in ("notes", "warnings")}))


def _remove_stale_units(units: pathlib.Path, sources: Sequence[Source]) -> None:
    """Remove units of files that are gone or have changed, and partial files of killed runs."""
    wanted = {unit_path(units, source).name for source in sources}
    for path in units.iterdir():
        if path.name not in wanted:
            path.unlink(missing_ok=True)


def _table_of(rejections: Sequence[Rejection]) -> str:
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["origin", "start_s", "end_s", "frames", "reason", "detail"])
    for one in rejections:
        times = ["" if value is None else f"{value:g}" for value in (one.start_s, one.end_s)]
        table.writerow([one.origin, *times, one.frames, one.reason, one.detail])
    return file.getvalue()


def _read_json(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_whole(path: pathlib.Path, text: str) -> None:
    with replacing(path, overwrite=True) as partial:
        partial.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _only_run(work: pathlib.Path) -> Iterator[None]:
    """Lock the folder; the system releases the lock when the process ends, even if it is killed."""
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(f"Another run is writing to {work.parent}; wait until it ends, or stop it.") from error
        yield
