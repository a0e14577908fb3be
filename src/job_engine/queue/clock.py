"""The clock of sessions: it goes on while the machine sleeps, as the server's does."""

import time

_ID = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux has it; elsewhere a sleep shortens the margin


def boottime() -> float:
    """Seconds since the machine started, time asleep included."""
    return time.clock_gettime(_ID)
