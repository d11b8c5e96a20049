"""The page: ``python app.py``, then open the address it prints. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT move it."""

import logging
import os

# Before gradio is imported: the page tells nobody that it runs.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from reenact.space.models import EDITING, LARGE_POSE, Models, has_weights
from reenact.space.page import build_page, launch_options


def main() -> None:
    """Serve the page; the networks are loaded while the browser opens it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    models = Models()
    models.warm_up()
    for system in (EDITING, LARGE_POSE):
        if has_weights(system):
            models.warm_up(system)
    build_page(models).launch(**launch_options())


if __name__ == "__main__":
    main()
