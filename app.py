"""The page: ``python app.py``, then open the address that it prints.

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT change the address.
"""

import argparse
import logging
import os
import pathlib
import re
from collections.abc import Sequence

# Before gradio is imported: the page reports its use to nobody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from reenact.errors import ReenactError
from reenact.space.models import Models, find_restoration, read_weights
from reenact.space.page import build_page, launch_options

_EPILOG = """Each option has an environment variable, for hosts without a command line such as a Space:
REENACT_WEIGHTS (several are separated by commas or spaces), REENACT_REQUIRE_WEIGHTS=1, REENACT_RESTORE,
REENACT_MAX_SECONDS.
HF_TOKEN gives access to private repositories."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the page. The networks are loaded while the browser opens it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        from_environment = filter(None, re.split(r"[,\s]+", os.environ.get("REENACT_WEIGHTS", "")))
        weights = read_weights([*from_environment, *options.weights])
        restore = _restoration(options.restore, options.require_weights)
        models = Models(weights=weights, require=options.require_weights, restore=restore)
        if options.require_weights:
            models.load_weights()
    except ReenactError as error:
        parser.exit(2, f"Error: {error}\n")
    models.warm_up()
    page = build_page(models, max_seconds=options.max_seconds)
    page.launch(**launch_options(page))


def _restoration(setting: str | None, require: bool) -> pathlib.Path | None:
    """Weights that restore faces; None if they are not asked for, or cannot be had and are not required."""
    if not setting:
        return None
    try:
        return find_restoration(setting)
    except ReenactError as error:
        if require:
            raise
        logging.getLogger("app").warning("The page does not restore faces: %s", error)
        return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="app.py", description="Serve the page.", epilog=_EPILOG)
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="SYSTEM=WHERE",
        help="weights to use in place of the embedded ones: SYSTEM=OWNER/NAME@REVISION on the Hub, or SYSTEM=FOLDER; "
        "may be repeated",
    )
    parser.add_argument(
        "--require-weights",
        action="store_true",
        default=os.environ.get("REENACT_REQUIRE_WEIGHTS", "") not in ("", "0"),
        help="do not start if these weights cannot be loaded; without it the embedded ones are used, with a note",
    )
    parser.add_argument(
        "--restore",
        default=os.environ.get("REENACT_RESTORE"),
        metavar="FILE",
        help="offer to restore drawn faces with GFPGAN v1.4: file of its weights (GFPGANv1.4.pth), or fetch to "
        "download them once (349 MB); needs the extra restore",
    )
    parser.add_argument(
        "--max-seconds",
        type=_seconds,
        default=os.environ.get("REENACT_MAX_SECONDS") or None,
        metavar="SECONDS",
        help="longest driving clip that the page takes; any length if not set",
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError(text)
    return seconds


if __name__ == "__main__":
    main()
