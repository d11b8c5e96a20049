"""The log: no file name of a visitor, and JSON for machines that read it."""

import datetime
import json
import logging
import re

from gradio.utils import get_upload_folder

_KEPT = ("run", "ended", "seconds")
"""Fields of `extra` that are written."""


class PlainLog(logging.Formatter):
    """A line for each event; paths of uploads and results, which hold names that visitors gave, become <file>."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._path = re.compile(re.escape(str(get_upload_folder())) + r"""[^\n"'<>|]*""")

    def format(self, record: logging.LogRecord) -> str:
        return self._path.sub("<file>", super().format(record))


class JsonLog(PlainLog):
    """The same as JSON, with the time, and the facts of a run."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        event = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        event |= {name: value for name, value in vars(record).items() if name in _KEPT}
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return self._path.sub("<file>", json.dumps(event, ensure_ascii=False))


def start_log(*, as_json: bool) -> None:
    """Write the log to the standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLog() if as_json else PlainLog())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
