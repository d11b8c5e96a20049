"""What a host's machinery asks: is the page alive, can it work, and how much."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def health_routes(problem: Callable[[], str], figures: Callable[[], str] | None) -> list[Route]:
    """``/healthz`` while the page answers; ``/readyz`` when it can draw; ``/metrics`` for Prometheus.

    Args:
        problem: why it cannot draw; "" if it can.
        figures: what ``/metrics`` gives; the path is unknown if None.
    """

    async def alive(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> PlainTextResponse:
        why = problem()
        return PlainTextResponse(f"{why or 'ready'}\n", status_code=503 if why else 200)

    routes = [Route("/healthz", alive), Route("/readyz", ready)]
    if figures is not None:

        async def metrics(_: Request) -> PlainTextResponse:
            return PlainTextResponse(figures(), media_type="text/plain; version=0.0.4; charset=utf-8")

        routes.append(Route("/metrics", metrics))
    return routes
