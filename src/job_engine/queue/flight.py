"""Many at once, but not all at once: the last of a thousand requests would be answered too late to be believed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

IN_FLIGHT = 8
"""Batches under way together: two fill the connection, and eight are answered well within a heartbeat."""

Item = TypeVar("Item")
Result = TypeVar("Result")


async def in_flights(
    work: Callable[[Sequence[Item]], Awaitable[Result]], items: Sequence[Item], batch: int
) -> list[Result]:
    """What ``work`` gives for each ``batch`` of the items, in order."""
    batches = [items[i : i + batch] for i in range(0, len(items), batch)]
    results: list[Result] = []
    for i in range(0, len(batches), IN_FLIGHT):
        results += await asyncio.gather(*[work(some) for some in batches[i : i + IN_FLIGHT]])
    return results
