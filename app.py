"""The page: ``python app.py``, then open the address that it prints.

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT change the address.
"""

import argparse
import logging
import os
import pathlib
import re
import signal
import sys
import threading
from collections.abc import Sequence

# Before gradio is imported: the page reports its use to nobody.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if not (_PORT := os.environ.get("GRADIO_SERVER_PORT", "7860")).isdecimal():
    raise SystemExit(f"Error: GRADIO_SERVER_PORT takes a whole number, got {_PORT!r}.")

from reenact.errors import ReenactError
from reenact.space.host.logs import start_log
from reenact.space.host.options import add_options, host_options
from reenact.space.host.zero_gpu import has_zero_gpu
from reenact.space.models import Models, find_restoration, read_weights
from reenact.space.page import build_page
from reenact.space.service import Service
from reenact.space.widgets.runs import Runs

_EPILOG = """Each option has an environment variable, for hosts without a command line such as a Space:
REENACT_MAX_SECONDS for --max-seconds, and so on; REENACT_MCP=1 for --mcp. REENACT_WEIGHTS takes several, separated by
commas or spaces. GRADIO_SERVER_NAME is the address that is served (127.0.0.1; 0.0.0.0 for all of the machine),
GRADIO_SERVER_PORT where the search for a free port begins (7860). Only the environment holds secrets: REENACT_API_KEYS
the keys of programs, REENACT_LOGIN the logins of visitors (NAME:PASSWORD), HF_TOKEN for private repositories.
See docs/hosting.md."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the page until SIGTERM or Ctrl-C. The networks are loaded while the browser opens it."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        host = host_options(options)
        start_log(as_json=host.json_log)
        from_environment = filter(None, re.split(r"[,\s]+", os.environ.get("REENACT_WEIGHTS", "")))
        weights = read_weights([*from_environment, *options.weights])
        restore = _restoration(options.restore, options.require_weights)
        models = Models(
            weights=weights,
            require=options.require_weights,
            restore=restore,
            offered=host.systems,
            origin=host.origin(),
        )
        if options.require_weights:
            models.load_weights()
        runs = Runs()
        service = Service(build_page(models, host, runs=runs), models, runs, host)
    except ReenactError as error:
        parser.exit(2, f"Error: {error}\n")
    loading = models.warm_up()
    if has_zero_gpu():
        for thread in loading:
            thread.join()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    service.launch(prevent_thread_lock=True)
    ended.wait()
    service.stop()


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
    add_options(parser)
    return parser


if __name__ == "__main__":
    main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # all runs have ended; threads of gradio may wait for a visitor who stays connected, without an end
