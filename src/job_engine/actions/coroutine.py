"""``async def`` actions: each runs in an event loop of its own, in its slot's thread."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

from job_engine.actions.errors import Interrupted
from job_engine.actions.interruption import Interruption


def finish(awaitable: Awaitable[Any], interruption: Interruption) -> Any:
    """What ``awaitable`` returns. An interruption cancels its task, so that it ends at its next ``await``.

    Tasks that it leaves behind are cancelled; threads (``asyncio.to_thread``) are waited for.

    Raises:
        Interrupted: it ended because of the interruption.
    """

    value: Any = None
    raised: BaseException | None = None  # not the task's: asyncio looks at results and exceptions, and they may raise

    async def main() -> None:
        nonlocal value, raised
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            if not task.done():
                interruption.seen = True
                task.cancel()

        def interrupt() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended by itself
                loop.call_soon_threadsafe(cancel)

        interruption.notify(interrupt)
        try:
            value = await awaitable
        except asyncio.CancelledError as canceled:
            raised = Interrupted(interruption.why) if interruption.is_set() else canceled
        except BaseException as error:  # noqa: BLE001 - raised below
            raised = error
        finally:
            interruption.notify(None)

    with asyncio.Runner() as runner:
        runner.run(main())
    if raised is not None:
        raise raised
    return value
