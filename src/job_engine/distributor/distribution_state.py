"""The state of one distribution, as the record and a distributor report it to each other."""

import asyncio
from typing import Any

from job_engine.distributor.distribution import Distribution


class DistributionState:
    """The state of one distribution of this distributor, and what is still to be reported of it.

    Attributes:
        paused: no tick is to be made.
        run_at: the time of a requested tick, as the record writes it; None: none is requested.
        known: the same two, as the record reported them last.
        woken: set when one of them has changed.
        telling: set when there is something to report.
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
        """Report facts that the record shall show; None removes one. Facts that it shows already are not sent again."""
        for fact, value in facts.items():
            name = fact.replace("_", "-")
            if self._news.get(name, self._shown.get(name)) != value:
                self._news[name] = value
                self.telling.set()

    def shown(self, **facts: Any) -> None:
        """Note facts that the record shows without a report by `tell`."""
        for fact, value in facts.items():
            name = fact.replace("_", "-")
            self._shown[name] = value
            self._news.pop(name, None)

    def news(self) -> dict[str, Any] | None:
        """The facts to report, once; `untold` takes them back if the report failed."""
        news, self._news = self._news, {}
        self._shown |= news
        return news or None

    def untold(self, news: dict[str, Any]) -> None:
        """Take back facts whose report failed."""
        self._news = news | self._news

    def heard(self, paused: bool, run_at: str | None) -> None:
        """Apply what the record has answered."""
        self.known = (paused, run_at)
        if run_at is not None and run_at == self._ran:
            run_at = None  # said before it knew
        if (paused, run_at) != (self.paused, self.run_at):
            self.paused, self.run_at = paused, run_at
            self.woken.set()

    def ran(self, run_at: str) -> None:
        """Note that a requested tick is made, or cannot be; another may have been requested meanwhile."""
        self._ran = run_at
        if self.run_at == run_at:
            self.run_at = None
