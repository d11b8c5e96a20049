"""Frames that are made while the ones before are worked on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from reenact.pipeline.clips.ahead import read_ahead


def test_the_next_item_is_made_in_the_thread_while_this_one_is_used() -> None:
    made = [threading.Event() for _ in range(4)]
    places = set[int]()

    def items() -> Iterator[int]:
        for index, event in enumerate(made):
            places.add(threading.get_ident())
            event.set()
            yield index

    with ThreadPoolExecutor(1) as thread:
        seen = []
        for item in read_ahead(items(), thread):
            assert item == 3 or made[item + 1].wait(5), "not made ahead"
            seen.append(item)
    assert seen == [0, 1, 2, 3]
    assert places and threading.get_ident() not in places


def test_an_error_comes_at_its_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with ThreadPoolExecutor(1) as thread:
        ahead = read_ahead(items(), thread)
        assert next(ahead) == 1
        with pytest.raises(ValueError, match="broken"):
            next(ahead)
