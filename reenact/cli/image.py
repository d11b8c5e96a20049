"""``reenact image``."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from reenact.cli.options import Driven
from reenact.cli.output import picture_line, report
from reenact.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reenact.pipeline.engine import Engine


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image(Driven):
    """Redraw a face with the pose and expression of another picture."""

    neutral: pathlib.Path | None = None
    """With --relative or --neutralise: a picture of the driver with a neutral face."""

    def check(self) -> None:
        """Refuse settings, an output or pictures that cannot work."""
        from reenact.media import read_image
        from reenact.media.output import IMAGE_SUFFIXES, check_output

        super().check()
        if self.neutral is not None and not (self.relative or self.neutralise):
            raise ConfigError("--neutral works only with --relative or --neutralise; add one of them or leave it out.")
        inputs = {"source": self.source, "driver": self.driving, "neutral picture": self.neutral}
        check_output(self.out, overwrite=self.overwrite, suffixes=IMAGE_SUFFIXES, inputs=inputs)
        for path in (self.source, self.driving, self.neutral):
            if path is not None:
                read_image(path)

    @property
    def usual_suffix(self) -> str:
        """See `Driven`."""
        return ".png"

    def redraw(self, load: "Callable[[str | None], Engine]") -> None:
        """See `Driven.redraw`."""
        self.check()
        from reenact.media import write_image
        from reenact.pipeline.image import reenact_image
        from reenact.pipeline.results import origin_of

        restorer = self.restorer(lambda: 1)
        result = reenact_image(
            self.source,
            self.driving,
            system=load(self.system),
            mode="relative" if self.relative else "absolute",
            neutral=self.neutral,
            options=self.options(),
            paste_back=self.paste_back,
            side_by_side=self.side_by_side,
            face=self.face,
            driving_face=self.driving_face,
            min_face_score=self.min_face_score,
            max_crop_px=self.max_crop,
            crop=self.crop(),
            restore=restorer,
            upscale=self.upscale,
        )
        origin = origin_of(result, self.origin())
        write_image(self.out, result.rgb, alpha=result.alpha, overwrite=self.overwrite, origin=origin)
        report(picture_line(self.out, result), result.warnings + (() if origin else self.unmarked_note()))
