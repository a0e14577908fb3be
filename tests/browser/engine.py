"""What the tests share: an engine that runs, and what a browser made of its pages."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import ConsoleMessage, Page, Request

from job_engine.client import Client

WITHIN: Final = 15.0
"""Seconds that anything may take here, on a busy machine; nothing waits for it."""


@dataclass(frozen=True)
class Engine:
    """An engine that runs, and the client of its administrator."""

    url: str
    client: Client
    data: Path
    link: str  # with which a browser signs in, as the engine has printed it


@dataclass
class Looks:
    """What a browser had to complain about, and where it went."""

    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def watch(self, page: Page, url: str) -> None:
        def told(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(message.text)

        def went(request: Request) -> None:
            if not request.url.startswith(url):
                self.elsewhere.append(request.url)

        page.on("console", told)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", went)
