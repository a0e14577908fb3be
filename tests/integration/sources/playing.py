"""How a scene is played: in a place of its own, on an event loop of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from tests.integration.sources.places import Place

SCENE = 40.0
"""Seconds; a scene that takes longer hangs."""

Play = Callable[[Callable[[Any], Coroutine[Any, Any, None]]], None]


def played_in(place: Callable[[], Place]) -> Play:
    """Plays scenes in such places."""

    def play(scene: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        async def run() -> None:
            async with asyncio.timeout(SCENE), place() as here:
                await here.open()
                await scene(here)

        uvloop.run(run())

    return play
