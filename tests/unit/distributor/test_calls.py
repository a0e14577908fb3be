"""Calls that hang hold up nobody."""

import asyncio
import threading

import pytest

from job_engine.distributor.calls import HANGING_CALLS, Calls, HangsError


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in a thread
            await asyncio.sleep(0.001)


async def test_a_call_that_hangs_ends_for_us_and_the_next_one_is_made():
    calls, release = Calls("x", 0.05), threading.Event()
    heeded = []

    def hang(go_on):
        release.wait(10)
        heeded.append(go_on())

    for n in range(HANGING_CALLS):
        with pytest.raises(HangsError, match=r"not ended within 0\.05 s"):
            await calls.call(hang)
        assert calls.running == n + 1
    with pytest.raises(HangsError, match="3 earlier calls"):
        await calls.call(lambda go_on: 1)
    release.set()
    await until(lambda: not calls.running)
    assert heeded == [False] * HANGING_CALLS
    assert await calls.call(lambda go_on: go_on()) is True


async def test_its_own_timeout_is_its_error():
    def raises(go_on):
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await Calls("x", 5).call(raises)


async def test_a_thread_that_cannot_start_is_an_error_and_hangs_for_nobody(monkeypatch):
    def full(thread):
        raise RuntimeError("can't start new thread")

    calls = Calls("x", 5)
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", full)
        for _ in range(HANGING_CALLS):
            with pytest.raises(RuntimeError, match="can't start"):
                await calls.call(lambda go_on: 1)
    assert await calls.call(lambda go_on: 1) == 1


async def test_whoever_is_cancelled_does_not_wait():
    calls, release = Calls("x", 60), threading.Event()
    task = asyncio.create_task(calls.call(lambda go_on: release.wait(10)))
    await until(lambda: calls.running)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls.running == 1
    release.set()


def test_a_thread_that_outlives_the_loop_hurts_nobody():
    release, ended = threading.Event(), threading.Event()

    def late(go_on):
        release.wait(10)
        ended.set()

    async def scene():
        with pytest.raises(HangsError):
            await Calls("x", 0.01).call(late)

    asyncio.run(scene())
    before = threading.excepthook
    raised = []
    threading.excepthook = raised.append
    release.set()
    assert ended.wait(10)
    for thread in threading.enumerate():
        if thread.name == "x":
            thread.join(10)
    threading.excepthook = before
    assert raised == []
