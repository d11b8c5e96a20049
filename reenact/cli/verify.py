"""``reenact verify``."""

import dataclasses
import pathlib
from typing import Annotated

from tyro.conf import Positional, arg


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verify:
    """Say whether a picture or clip was made with this program, and how sure that is."""

    file: Annotated[Positional[pathlib.Path], arg(metavar="FILE")]
    """Picture or clip."""
    json: bool = False
    """Print the findings as JSON."""

    def run(self) -> None:
        """Print the findings."""
        from reenact.pipeline.verify import verify

        findings = verify(self.file)
        if self.json:
            print(findings.to_json(), end="")
        else:
            print("\n".join([f"{self.file}: {findings.verdict}", *findings.lines()]))
