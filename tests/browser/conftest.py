"""A real engine, and a real browser that looks at its pages."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from job_engine.client import Client
from tests.browser.engine import WITHIN, Engine, Looks

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
"""What Debian, Ubuntu and Google call it."""
ARGUMENTS: Final = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
ACTIONS: Final = Path(__file__).with_name("page_actions.py")
DISTRIBUTIONS: Final = Path(__file__).with_name("page_distributions.py")

expect.set_options(timeout=WITHIN * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser comes last: while it is there, an event loop runs in the main thread, and others want their own.

    With several processes of tests that is not enough, so each file has a browser of its own.
    """
    here = Path(__file__).parent
    items.sort(key=lambda item: here in item.path.parents)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "job_engine.cli", "up", "--data", str(data), "--port", "0", "--nuvla-types"]
        command += ["--processes", "1", "--shutdown-timeout", "1", "--actions", str(ACTIONS)]
        command += ["--distributions", str(DISTRIBUTIONS)]
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ) as up:
            assert up.stdout is not None
            said = ""
            for line in up.stdout:
                said += line
                if "Ctrl-C" in line:
                    break
            found = re.search(r"(http://\S+)/sign-in\?token=\S+", said)
            assert found is not None, said
            try:
                with Client(data=data) as client:
                    yield Engine(found[1], client, data, found[0])
            finally:
                up.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found is not None, f"none of {', '.join(NAMES)} is installed: ./dev test installs one"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def signed_in(engine: Engine, browser: Browser) -> Path:
    """The cookies of the administrator, for contexts that begin signed in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{engine.url}/sign-in?token={engine.client.sign_in_token()}")
    expect(page).to_have_url(f"{engine.url}/")
    path = engine.data / "cookies.json"
    context.storage_state(path=path)
    context.close()
    return path


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def visit(browser: Browser, engine: Engine, looks: Looks) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own; the arguments are those of a browser's context.

    At the end nothing may have been complained about that the test has not taken from `looks`, and no page may have
    asked another server for anything.
    """
    contexts: list[BrowserContext] = []

    def open_page(path: str = "/", **settings: object) -> Page:
        context = browser.new_context(**settings)  # type: ignore[arg-type]  # as the caller says
        context.set_default_timeout(WITHIN * 1000)
        contexts.append(context)
        page = context.new_page()
        looks.watch(page, engine.url)
        page.goto(f"{engine.url}{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert looks.complaints == []
    assert looks.elsewhere == []


@pytest.fixture
def page(visit: Callable[..., Page], signed_in: Path) -> Page:
    """The list of jobs, seen by the administrator."""
    return visit(storage_state=signed_in)
