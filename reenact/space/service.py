"""The page as a host serves it: behind its gate, with its health, and stopped without losing a run."""

import logging
import time
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from reenact.space import embedding, examples
from reenact.space.head import OwnTags
from reenact.space.host.front import FrontPage
from reenact.space.host.gate import Gate
from reenact.space.host.health import health_routes
from reenact.space.host.mcp import prepare_mcp
from reenact.space.host.metrics import Metrics
from reenact.space.host.options import HostOptions
from reenact.space.host.schema import openapi_route
from reenact.space.host.sweeping import Sweeper
from reenact.space.host.wall import Wall, explain_bad_requests
from reenact.space.models import DEFAULT, Models
from reenact.space.page import look
from reenact.space.widgets.runs import Runs

_LOG = logging.getLogger(__name__)
_STEP_S = 30.0
"""The longest that a run takes between two looks at its flag, on a busy machine."""


class Service:
    """One served page."""

    def __init__(self, page: gr.Blocks, models: Models, runs: Runs, options: HostOptions) -> None:
        """Put the page behind its gate; it is not served yet.

        Args:
            page: as `build_page` made it.
            models: its engines.
            runs: its runs.
            options: the host's.

        Raises:
            MissingDependencyError: the host wants MCP, and its library is missing.
        """
        if options.mcp:
            prepare_mcp()
        self._page, self._models, self._runs, self._options = page, models, runs, options
        self._metrics = Metrics()
        self._gate = Gate(options, self._metrics)
        self._gate.guard(page)
        explain_bad_requests(page)
        self._sweeper = Sweeper({path for block in page.blocks.values() for path in block.keep_in_cache})

    def launch(self, **options: Any) -> None:
        """Serve the page and delete old files; `options` of `gr.Blocks.launch` come before the page's own."""
        self._page.launch(**{**self.launch_options(), **options})
        self._sweeper.start()

    def launch_options(self) -> dict[str, Any]:
        """Arguments of ``launch``: the page keeps nothing and loads nothing from other hosts."""
        figures = (lambda: self._metrics.text(len(self._page._queue))) if self._options.metrics else None
        routes = [*embedding.routes(), openapi_route(self._page), *health_routes(self._problem, figures)]
        largest_upload = round(self._options.max_megabytes * 1_000_000)
        same_for_all = [] if self._options.logins else [Middleware(FrontPage)]
        middleware = [*same_for_all, Middleware(OwnTags), Middleware(Wall, largest_upload=largest_upload)]
        return {
            **look(),
            "app_kwargs": {"middleware": middleware, "routes": routes},
            "max_file_size": largest_upload,
            "allowed_paths": [str(examples.FOLDER / "portraits"), str(examples.FOLDER / "driving")],
            "auth": [*self._options.logins] or None,
            "run_history": False,
            "footer_links": ["api"],
            "ssr_mode": False,
            "share": False,
            "enable_monitoring": False,
            "mcp_server": self._options.mcp,
        }

    def stop(self) -> None:
        """Take no new runs, wait for those in progress, stop what takes longer than the host allows, and end."""
        self._gate.is_closed = True
        until = time.monotonic() + self._options.grace_seconds
        while self._metrics.running and time.monotonic() < until:
            time.sleep(0.05)
        if self._metrics.running:
            _LOG.warning("%d runs are stopped", self._metrics.running)
            self._runs.stop_all()
            until = time.monotonic() + _STEP_S
            while self._metrics.running and time.monotonic() < until:
                time.sleep(0.05)
        self._sweeper.stop()
        self._page.close(verbose=False)

    def _problem(self) -> str:
        if self._gate.is_closed:
            return "The page is being stopped."
        return "" if self._models.is_ready(DEFAULT) else "The networks are being loaded."
