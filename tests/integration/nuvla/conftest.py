"""Plays scenes beside a server that looks like Nuvla's."""

from pathlib import Path

import pytest

from job_engine.executor.sources import nuvla, nuvla_job, nuvla_watch
from tests.integration.nuvla.place import NuvlaPlace
from tests.integration.sources.playing import Play, played_in


@pytest.fixture
def play(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Plays a scene; what takes seconds takes hundredths."""
    monkeypatch.setattr(nuvla_job, "MISSING_SECONDS", 0.02)
    monkeypatch.setattr(nuvla, "FIRST_DELAY_SECONDS", 0.02)
    monkeypatch.setattr(nuvla_watch, "POLL_SECONDS", 0.05)
    return played_in(lambda: NuvlaPlace(tmp_path, host))
