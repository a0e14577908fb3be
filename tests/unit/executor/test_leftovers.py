"""What jobs leave behind is looked for by several slots, and never ends one."""

import os
import sys
import threading
from typing import Any

import pytest

from job_engine.executor.leftovers import Leftovers


class OddError(BaseException):
    pass


class Odd:
    """What an action may leave as a standard stream."""

    def __eq__(self, other: object) -> bool:
        raise OddError("it is odd")

    __hash__ = None  # type: ignore[assignment]


def test_what_cannot_be_compared_has_the_process_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    leftovers = Leftovers()
    monkeypatch.setattr(sys, "stdout", Odd())
    (line,) = leftovers.look(1, lambda: [1])
    monkeypatch.undo()
    assert "OddError: it is odd" in line
    assert leftovers.spoilt


def test_slots_look_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    leftovers = Leftovers()
    inside, most, lock = [0], [0], threading.Lock()
    barrier = threading.Barrier(4)
    look = leftovers._different

    def counted() -> dict[str, object]:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        try:
            os.sched_yield()
            return look()
        finally:
            with lock:
                inside[0] -= 1

    monkeypatch.setattr(leftovers, "_is_clean", counted)

    def slot(number: int) -> None:
        barrier.wait(20)
        for _ in range(50):
            leftovers.look(number, lambda: [1, 2, 3, 4])

    threads: list[Any] = [threading.Thread(target=slot, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1]
