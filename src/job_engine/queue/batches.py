"""Many requests in batches, some batches at a time: the last of a thousand requests would else exceed its deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

BATCHES_IN_FLIGHT = 8
"""Batches under way together: two fill the connection, and eight are answered well within a heartbeat."""

Item = TypeVar("Item")
Result = TypeVar("Result")


async def in_batches(
    work: Callable[[Sequence[Item]], Awaitable[Result]], items: Sequence[Item], batch: int
) -> list[Result]:
    """The results of ``work`` for each ``batch`` of the items, in order."""
    batches = [items[i : i + batch] for i in range(0, len(items), batch)]
    results: list[Result] = []
    for i in range(0, len(batches), BATCHES_IN_FLIGHT):
        results += await asyncio.gather(*[work(some) for some in batches[i : i + BATCHES_IN_FLIGHT]])
    return results
