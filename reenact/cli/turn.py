"""``reenact turn``."""

import dataclasses
from typing import TYPE_CHECKING

from reenact.cli.faces import Redrawing
from reenact.cli.output import Bar, clip_line, picture_line, read_seconds, report
from reenact.errors import ConfigError

if TYPE_CHECKING:
    from reenact.pipeline import HeadTurn, TurnSession


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turn(Redrawing):
    """Redraw a head turned as far as into profile."""

    system: str | None = None
    """Which system draws; "dual_generator" unless the checkpoint says another."""
    yaw: float | None = None
    """How far the head shall be turned to the person's left, -90 to 90 degrees; as it is if left out."""
    pitch: float | None = None
    """How far down, -45 to 45."""
    roll: float | None = None
    """How far to the person's right shoulder, -45 to 45."""
    turntable: str | None = None
    """Make a clip of this length, such as 3s, in which the head turns from one profile to the other."""
    fps: int = 25
    """With --turntable: frames a second."""

    def run(self) -> None:
        """Do it."""
        from reenact.media import check_output, read_image
        from reenact.media.image import IMAGE_SUFFIXES
        from reenact.media.video_writer import VIDEO_SUFFIXES
        from reenact.pipeline import HeadTurn, open_turn

        seconds = None if self.turntable is None else read_seconds("--turntable", self.turntable)
        if seconds is not None and self.yaw is not None:
            raise ConfigError("--turntable turns the head by itself; leave --yaw out.")
        turn = HeadTurn(yaw_deg=self.yaw, pitch_deg=self.pitch, roll_deg=self.roll)
        check_output(self.out, overwrite=self.overwrite, suffixes=IMAGE_SUFFIXES if seconds is None else VIDEO_SUFFIXES)
        read_image(self.source)
        session = open_turn(
            self.source,
            engine=self.load("dual_generator"),
            face=self.face,
            min_face_score=self.min_face_score,
            max_crop_px=self.max_crop,
            paste_back=self.paste_back,
        )
        line = self._draw(session, turn) if seconds is None else self._film(session, turn, seconds)
        report(line, session.warnings)

    def _draw(self, session: "TurnSession", turn: "HeadTurn") -> str:
        from reenact.media import write_image
        from reenact.pipeline.progress import COMMENT

        result = session.render(turn)
        write_image(self.out, result.rgb, alpha=result.alpha, overwrite=self.overwrite, comment=COMMENT)
        return picture_line(self.out, result)

    def _film(self, session: "TurnSession", turn: "HeadTurn", seconds: float) -> str:
        with Bar() as bar:
            result = session.turntable(
                self.out, seconds=seconds, fps=self.fps, turn=turn, overwrite=self.overwrite, progress=bar.show
            )
        return clip_line(result)
