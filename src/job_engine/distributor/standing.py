"""What the record and a distributor tell each other about one distribution."""

import asyncio
from typing import Any

from job_engine.distributor.distribution import Distribution


class Standing:
    """One distribution of this distributor.

    Attributes:
        paused: no tick is to be made.
        run_at: a tick that somebody asked for, as the record writes its time; None: none.
        known: the same two as the record said them last.
        woken: set when one of them has changed.
        telling: set when there is something to tell.
    """

    def __init__(self, distribution: Distribution[..., Any], telling: asyncio.Event) -> None:
        self.distribution = distribution
        self.name = distribution.name
        self.paused = False
        self.run_at: str | None = None
        self.known: tuple[bool, str | None] = (False, None)
        self.woken = asyncio.Event()
        self.telling = telling
        self._shown: dict[str, Any] = {}
        self._news: dict[str, Any] = dict(distribution.described)
        self._ran: str | None = None
        telling.set()

    def tell(self, **facts: Any) -> None:
        """What the record shall show; None: nothing any more. What it shows already is not told again."""
        for fact, value in facts.items():
            name = fact.replace("_", "-")
            if self._news.get(name, self._shown.get(name)) != value:
                self._news[name] = value
                self.telling.set()

    def shown(self, **facts: Any) -> None:
        """What the record shows now, without having been told by `tell`."""
        for fact, value in facts.items():
            name = fact.replace("_", "-")
            self._shown[name] = value
            self._news.pop(name, None)

    def news(self) -> dict[str, Any] | None:
        """What is to be told, once; `untold` if it could not be."""
        news, self._news = self._news, {}
        self._shown |= news
        return news or None

    def untold(self, news: dict[str, Any]) -> None:
        """The news did not arrive."""
        self._news = news | self._news

    def heard(self, paused: bool, run_at: str | None) -> None:
        """What the record said."""
        self.known = (paused, run_at)
        if run_at is not None and run_at == self._ran:
            run_at = None  # said before it knew
        if (paused, run_at) != (self.paused, self.run_at):
            self.paused, self.run_at = paused, run_at
            self.woken.set()

    def ran(self, run_at: str) -> None:
        """The tick that was asked for is made, or cannot be made; another may have been asked for meanwhile."""
        self._ran = run_at
        if self.run_at == run_at:
            self.run_at = None
