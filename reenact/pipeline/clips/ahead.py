"""The next item is made while the one before is worked on."""

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterator[Item], thread: Executor) -> Iterator[Item]:
    """The same items, each made in `thread` while the one before is in use.

    Shut the executor down before what the items are read from is closed: one may still be made when this ends early.
    """
    waiting = thread.submit(next, items, None)
    while (item := waiting.result()) is not None:
        waiting = thread.submit(next, items, None)
        yield item
