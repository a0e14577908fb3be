"""The API in this process, called as an ASGI server calls it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from job_engine.api import passwords
from tests.unit.api.server import InProcess


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    loop = asyncio.new_event_loop()
    server = InProcess(loop, Path(tmp_path_factory.mktemp("data")))
    yield server
    server.close()
    loop.close()


@pytest.fixture(autouse=True, scope="session")
def cheap_passwords() -> Iterator[None]:
    """A digest costs next to nothing here, for hundreds are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", "4,1")
        patch.setattr(passwords, "_NOBODY", passwords.digest(""))
        yield
