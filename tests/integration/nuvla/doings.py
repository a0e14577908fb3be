"""What tests of the source beside Nuvla do: with the server's answers, and with jobs that run."""

from collections.abc import Callable
from typing import Any

from msgspec import Raw

from job_engine.executor.holds import Held
from job_engine.job.attend import Finished, Released, Write
from tests.integration.nuvla.place import NuvlaPlace
from tests.integration.sources.places import Executor


def answering(method: str, id_: str, *statuses: int) -> Callable[[str, str, Any], int | None]:
    """A rule: these requests are answered so, one after the other; later ones as usual."""
    left = list(statuses)
    return lambda m, path, _: left.pop(0) if left and (m, path) == (method, f"/api/{id_}") else None


def always(method: str, id_: str, status: int) -> Callable[[str, str, Any], int | None]:
    return lambda m, path, _: status if (m, path) == (method, f"/api/{id_}") else None


def write(executor: Executor, held: Held, checkpoint: bytes | None = None, **changes: Any) -> None:
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    executor.holds.write(held, Write(*held.key, None, named, None if checkpoint is None else Raw(checkpoint)))
    executor.exchanges.look()


def finish(executor: Executor, held: Held, state: str = "SUCCESS", code: int | None = 0, **more: Any) -> None:
    executor._running.discard(held)
    executor.holds.finish(held, Finished(*held.key, state, 1.0, 2.0, code, **more))
    executor.exchanges.look()


def gets(place: NuvlaPlace, id_: str) -> int:
    return place.nuvla.seen.count(("GET", f"/api/{id_}"))


async def added(place: NuvlaPlace, action: str = "noop", **attributes: Any) -> str:
    return (await place.add(1, action, **attributes))[0]


def failed(held: Held, why: str = "no", delay: float = 0.0) -> Released:
    return Released(*held.key, "failed", why, delay)
