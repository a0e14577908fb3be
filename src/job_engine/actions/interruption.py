"""The interruption of one attempt: an event that the action looks at, and an exception for one that does not.

Python can raise an exception in another thread (``PyThreadState_SetAsyncExc``); it arrives there at some later
bytecode, even if the thread has left the action by then. Two properties make it safe here:

- The id of the thread is in a ctypes cell that the C call reads itself, without the interpreter lock being given up
  in between. Storing 0 in the cell is one step too, so after it no exception can be sent on behalf of this attempt.
- A thread has room for one such exception. So after that store at most one can still arrive, and whoever then calls
  `Interruption.clear` inside ``try ... except Interrupted`` has seen the last of it.

What it cannot know is what the action is in the middle of. Code that takes a lock without ``with``, as ``getLogger``
and the import of a module do, can be left with the lock taken. The engine's own calls are shielded from that
(`shielded`); for the rest it is why an action gets time to end by itself first.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from job_engine.actions.errors import Interrupted

STOPPED: Final = "stopped"
"""The executor stops. The hold is good until the job is released, so a checkpoint is still accepted."""
OVERDUE: Final = "overdue"
"""The attempt takes longer than its timeout, by the executor's clock. The hold is good."""
LOST: Final = "lost"
"""The executor was cut off from the record."""
FINAL: Final = "final"
"""The attempt has ended; only threads that it left behind can see that."""
GRACE: Final = 3.0
"""Seconds that an action has to end by itself before `Interruption.throw`: enough to write a checkpoint."""

P = ParamSpec("P")
R = TypeVar("R")

_send = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
_send.argtypes = (ctypes.c_ulong, ctypes.py_object)
_unsend = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
_unsend.argtypes = (ctypes.c_ulong, ctypes.c_void_p)
_changing = threading.Lock()  # held for a few steps at an interruption or a first wait(), which are rare


def _arrive() -> None:
    """Where an exception that was sent arrives at the latest: the interpreter looks at every call.

    CPython 3.11 has looked just before it is called; that is not promised of others.
    """


class Interruption:
    """Whether, and why, the job is to end. Made by the executor, one an attempt.

    Args:
        expired: says that the time until which the hold is good has passed, which counts as ``set(LOST)``; asked at
            every look, so it must be cheap. It does not wake `wait`: whoever watches the clock calls `set`.
    """

    # what most jobs never change is the class's, as in `job_engine.executor.attempt`
    why: str | None = None  # like `reason`, for the engine: looking at it is not the action's look
    seen = False  # the action knows
    thrown = False
    _thread = 0
    _event: threading.Event | None = None
    _callback: Callable[[], object] | None = None

    def __init__(self, expired: Callable[[], bool] | None = None) -> None:
        self.cell = ctypes.c_ulong(0)  # the thread while it is inside the action, else 0
        self._expired = expired

    # What authors use.

    def is_set(self) -> bool:
        """Whether the job is to end: save what is worth saving, and return."""
        if self.why is None:
            if self._expired is None or not self._expired():
                return False
            self.set(LOST)
        self.seen = True
        return True

    __bool__ = is_set

    @property
    def reason(self) -> str | None:
        """Why: ``stopped``, ``overdue``, ``canceled``, ``timed out``, ``deleted``, ``lost`` or ``final``."""
        return self.why if self.is_set() else None

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep for ``timeout`` seconds, or until the job is interrupted; whether it is."""
        if self.is_set():
            return True
        with _changing:
            event = self._event = self._event or threading.Event()
            if self.why is not None:
                event.set()
        event.wait(timeout)
        return self.is_set()

    # What the executor uses.

    @property
    def over(self) -> bool:
        """Whether the hold has ended, so that writes are refused."""
        if self.why is None and self._expired is not None and self._expired():
            self.set(LOST)
        return self.why is not None and self.why != STOPPED and self.why != OVERDUE

    def set(self, reason: str) -> None:
        """Interrupt the job. The first reason stays, unless it left the hold good and this one does not."""
        with _changing:
            if self.why is None or (self.why in (STOPPED, OVERDUE) and reason not in (STOPPED, OVERDUE)):
                self.why = reason
            event, callback = self._event, self._callback
        if event is not None:
            event.set()
        if callback is not None:
            callback()

    def throw(self) -> bool:
        """Raise `Interrupted` inside the action, at its next bytecode; a call into C is not cut short.

        It may be called at any time and again and again, which is needed: Python drops an exception that arrives in
        a ``__del__``, and an action can swallow it.

        Returns:
            Whether the attempt was inside its action.
        """
        if not self.cell.value:
            return False
        self.thrown = True  # before sending: the attempt looks here whether one can still arrive
        return bool(_send(self.cell, Interrupted))

    # What the run loop uses.

    def enter(self) -> int:
        """Prepare for the current thread to enter the action; the number it stores in `cell` to do so."""
        self._thread = threading.get_ident()
        return self._thread

    def clear(self) -> None:
        """Take back what was thrown and has not arrived; it may arrive right here instead."""
        _unsend(self._thread, None)

    def shielded(self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make a call of the engine's own that nothing thrown may cut in two, such as one that holds a lock."""
        if not self.cell.value or threading.get_ident() != self._thread:
            return call(*args, **kwargs)
        try:
            self.cell.value = 0
            _arrive()
            return call(*args, **kwargs)
        finally:
            self.cell.value = self._thread

    def notify(self, callback: Callable[[], Any] | None) -> None:
        """Call ``callback`` at an interruption, in whichever thread; at once if there has been one; None ends it."""
        with _changing:
            self._callback = callback
            late = callback if self.why is not None else None
        if late is not None:
            late()
