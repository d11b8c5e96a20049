"""``python -m train.prepare --videos DIR --out DIR``."""

import logging
import sys
from collections.abc import Sequence

import tyro
from tqdm import tqdm

from reenact.errors import ReenactError
from train.prepare import PreparedFacts, PrepareProgress, PrepareSettings, prepare

_FAILED, _INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        settings = tyro.cli(PrepareSettings, args=argv, prog="train.prepare")
        with _Bar() as bar:
            facts = prepare(settings, progress=bar.show)
    except ReenactError as error:
        print(error, file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("Stopped. Finished files are kept; run the same command again to resume.", file=sys.stderr)
        return _INTERRUPTED
    for line in describe(facts):
        print(line)
    return 0


def describe(facts: PreparedFacts) -> list[str]:
    """Lines that summarise a run."""
    split = ", ".join(f"{name} {count}" for name, count in facts.people_of_split.items())
    clips = f"{facts.clips} clips, {facts.frames} frames, {facts.hours * 60:.1f} minutes"
    lines = [f"{facts.people} people ({split}); {clips}; {facts.stills} stills"]
    if facts.rejected:
        lines.append("left out: " + ", ".join(f"{reason} {count}" for reason, count in facts.rejected.items()))
    lines += [*facts.notes, *(f"warning: {warning}" for warning in facts.warnings)]
    if facts.frames_worked_on:
        rate = facts.frames_worked_on / max(facts.seconds, 1e-6)
        lines.append(f"{facts.frames_worked_on} frames processed in {facts.seconds:.0f} s ({rate:.1f} per second)")
    lines.append(f"written to {facts.out}; open {facts.out / 'report.html'}")
    return lines


class _Bar:
    """Progress bar: files, frames per second, time left."""

    _FORMAT = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} files [{elapsed}{postfix}]"

    def __enter__(self) -> "_Bar":
        self._bar = tqdm(total=1, bar_format=self._FORMAT, dynamic_ncols=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: PrepareProgress) -> None:
        """Redraw the bar."""
        self._bar.total, self._bar.n = progress.files, progress.files_done
        left = "" if progress.seconds_left is None else f", {_clock(progress.seconds_left)} left"
        self._bar.set_description_str(f"{progress.stage} ", refresh=False)
        self._bar.set_postfix_str(f"{progress.frames_per_s:.1f} frames/s{left}", refresh=False)
        self._bar.refresh()


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


if __name__ == "__main__":
    sys.exit(main())
