from pathlib import Path

import pytest

from job_engine.executor import run_folder
from job_engine.executor.run_folder import RunFolder
from job_engine.job.errors import Invalid


def test_a_successor_learns_who_was_before_and_waits_for_the_lock(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(run_folder, "WAIT", 0.0)
    first = RunFolder(tmp_path / "run", "one")
    assert first.predecessor is None
    with pytest.raises(Invalid, match="another executor uses"):
        RunFolder(tmp_path / "run", "two")
    first.take_over()
    first.close()
    second = RunFolder(tmp_path / "run", "three")
    assert second.predecessor == "one"
    second.close()


def test_who_waits_for_the_lock_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_folder, "SAY", 0.0)
    monkeypatch.setattr(run_folder, "WAIT", 0.2)
    first = RunFolder(tmp_path / "run", "one")
    with pytest.raises(Invalid, match="another executor uses"):
        RunFolder(tmp_path / "run", "two")
    (line,) = caplog.messages
    assert f"{tmp_path / 'run'}: stop it, or give another --run-dir; waiting" in line
    first.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match="run folder"):
        RunFolder(tmp_path / "file" / "run", "one")


def test_one_that_nobody_heard_of_passes_its_predecessor_on(tmp_path: Path) -> None:
    """Its successor has the jobs of the one before released, which it could not."""
    first = RunFolder(tmp_path, "one")
    first.take_over()
    first.close()
    RunFolder(tmp_path, "unheard").close()
    third = RunFolder(tmp_path, "three")
    assert third.predecessor == "one"
    third.close()
