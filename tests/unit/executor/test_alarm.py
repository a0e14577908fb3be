"""What a job sets for the signals of its process ends with it."""

import os
import signal
from types import SimpleNamespace

import pytest

from job_engine.executor.alarm import Alarms
from job_engine.executor.board import Board
from job_engine.executor.worker import _as_usual


def test_signals_are_as_before_after_a_job() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    alarms = Alarms(Board(1))
    try:
        probe = signal.getsignal(signal.SIGRTMIN)
        assert alarms.clear() == []
        for number in (
            signal.SIGALRM,
            signal.SIGUSR1,
            signal.SIGCHLD,
            signal.SIGRTMIN,
            signal.SIGRTMIN + 5,
            signal.SIGVTALRM,
        ):
            signal.signal(number, lambda *_: None)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 3600.0)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        (told,) = alarms.clear()
        assert told.startswith("This job left the handling of signals changed (User defined signal 1, ")
        assert told.endswith(", what is blocked); it is put back.")
        assert signal.getsignal(signal.SIGRTMIN) is probe
        now = {number: signal.getsignal(number) for number in before} | {signal.SIGRTMIN: before[signal.SIGRTMIN]}
        assert now == before
        assert not any(signal.getitimer(timer)[0] for timer in (0, 1, 2))
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
        assert alarms.clear() == []
    finally:
        signal.set_wakeup_fd(-1)
        alarms._rung.close()
        alarms._rings.close()
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def test_the_alarms_of_a_forked_process_are_not_its_parents() -> None:
    alarms = Alarms(Board(1))
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _as_usual(SimpleNamespace(running={}), [], SimpleNamespace(anew=lambda: None))  # type: ignore[arg-type]
                signal.signal(signal.SIGALRM, lambda *_: None)
                signal.raise_signal(signal.SIGALRM)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        alarms._rung.setblocking(False)
        with pytest.raises(BlockingIOError):
            alarms._rung.recv(1)
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGRTMIN, signal.SIG_DFL)
        alarms._rung.close()
        alarms._rings.close()
