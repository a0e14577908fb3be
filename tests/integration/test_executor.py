"""An executor and a server, without accidents."""

import contextlib
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from job_engine.client.handle import JobCanceled, JobFailed
from tests.faults.executor_actions import __file__ as ACTIONS_FILE
from tests.faults.test_executor_deaths import go, note, notes, submit
from tests.integration.engine_processes import TERM, Engine, alive, until

ACTIONS = Path(ACTIONS_FILE)
TELLING_NOBODY = """
import socket, time
from job_engine.executor.board import Board
from job_engine.executor.messages import RawReport
from job_engine.executor.report_sender import ReportSender
ours, theirs = socket.socketpair()
sender = ReportSender(ours, Board(1))
sender.start()
theirs.close()
sender.report(RawReport(recalled=True))
time.sleep(60)
"""
"""What is left of a worker process whose supervisor dies just before it tells something."""


def sessions(engine: Engine) -> list[str]:
    """All sessions in the record; the API shows everybody their own."""
    with contextlib.closing(sqlite3.connect(f"file:{engine.folder / 'record.db'}?mode=ro", uri=True)) as record:
        return [id_ for (id_,) in record.execute("select id from resource where type = 'session'")]


@pytest.fixture
def engine(tmp_path: Path):
    engine = Engine(tmp_path)
    yield engine
    engine.close()


def test_jobs_run_once_each_in_two_executors(engine: Engine) -> None:
    for name in ("one", "two"):
        engine.executor(ACTIONS, name=name).ready()
    jobs = engine.client.submit_many("noted", [{"folder": str(engine.folder)}] * 2000)
    until(lambda: engine.client.count("state='SUCCESS'") == 2000, "the jobs to end")
    assert sorted(line.split()[1] for line in notes(engine)) == sorted(job.id for job in jobs)
    assert engine.client.count("attempt>1") < 1000


def test_what_a_job_says_arrives_with_its_end(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    job = engine.client.submit("talkative", payload={"lines": 1000})
    assert job.wait(20) == 1000
    lines = []
    page = engine.client.logs(job)
    while page.lines:
        lines += [line.text for line in page.lines]
        page = engine.client.logs(job, after=page.next)
    assert lines == [f"line {n}" for n in range(1000)]
    assert (job.output or "").endswith("line 999")


def test_cancel_reaches_a_running_action(engine: Engine) -> None:
    executor = engine.executor(ACTIONS).ready()
    job = submit(engine, "patient")
    note(engine, "begin")
    job.cancel()
    note(engine, "interrupted 1 canceled")
    with pytest.raises(JobCanceled):
        job.wait(5)
    submit(engine, "noted").wait(5)
    assert "does not react" not in executor.log


def test_cancel_ends_an_action_that_looks_at_nothing(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=1).ready()
    job = submit(engine, "deaf")
    note(engine, "begin")
    job.cancel()
    submit(engine, "noted").wait(20)  # the one slot is free again


def test_delete_reaches_a_running_action(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    job = submit(engine, "patient")
    note(engine, "begin")
    engine.client.delete(job)
    note(engine, "interrupted 1 deleted")


def test_a_timeout_fails_the_job(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    job = engine.client.submit("patient", payload={"folder": str(engine.folder)}, timeout=0.3)
    with pytest.raises(JobFailed, match=r"timed out after 0\.3 s"):
        job.wait(10)
    note(engine, "interrupted 1 overdue")


def test_long_jobs_do_not_keep_others_waiting(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=2).ready()
    for _ in range(100):
        engine.client.submit("quick").wait(5)
    engine.client.submit_many("patient", [{"folder": str(engine.folder)}] * 6)
    note(engine, "begin", 2)
    helper = engine.executor(ACTIONS, threads=8, name="helper").ready()
    note(engine, "begin", 6)  # those held beyond the slots were given back
    go(engine)
    until(lambda: engine.client.count("state='SUCCESS' and action='patient'") == 6, "all to end")
    assert helper.process.poll() is None


def test_the_api_of_a_job_names_its_hold(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    job = engine.client.submit("edits", payload={"description": "said through the API"})
    assert re.fullmatch(f"{job.id} [0-9]+", job.wait(10))
    assert job.status_message == "said through the API"


def test_an_executor_and_its_actions_share_one_session(engine: Engine) -> None:
    engine.client.count()  # which logs in
    before = len(sessions(engine))
    executors = [engine.executor(ACTIONS, threads=1, name=name).ready() for name in ("one", "two")]
    jobs = engine.client.submit_many("edits", [{"description": "said"}] * 40)
    assert all(job.wait(20).startswith(f"{job.id} ") for job in jobs)
    assert len(sessions(engine)) == before + len(executors)


def test_actions_log_in_anew_when_the_shared_session_has_ended(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    assert engine.client.submit("edits", payload={"description": "before"}).wait(20)
    ended = sessions(engine)
    for session in ended:
        assert engine.client._connection.call("DELETE", f"/api/{session}").status == 200
    job = engine.client.submit("edits", payload={"description": "after"})
    assert job.wait(20).startswith(f"{job.id} ")
    assert not set(ended) & set(sessions(engine))


def test_a_stop_waits_for_running_jobs_and_takes_no_more(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, threads=1).ready()
    job = submit(engine, "patient")
    note(engine, "begin 1")
    executor.signal(TERM)
    executor.wait_for_log("stops when its 1 running jobs have ended")
    later = submit(engine, "noted")
    go(engine)
    assert job.wait(10) == "attempt 1"
    assert executor.stopped() == 0
    assert later.state == "QUEUED"
    assert not {"stopped", "lost", "died", "unstarted"} & set(engine.kinds(job))


def test_a_stop_waits_until_the_record_has_heard_how_jobs_ended(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, constants={"job_engine.executor.supervisor.LAST_WORDS": 0.01}).ready()
    job = submit(engine, "patient")
    note(engine, "begin 1")
    engine.kill_server()
    go(engine)
    executor.signal(TERM)
    executor.wait_for_log(" stops")
    engine.start_server()
    assert executor.stopped() == 0
    assert (job.state, job.attempt) == ("SUCCESS", 1)


def test_what_comes_after_a_stop_is_for_others(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, name="first").ready()
    submit(engine, "noted").wait(10)
    executor.signal(TERM)
    assert executor.stopped() == 0
    job = submit(engine, "noted")
    engine.executor(ACTIONS, name="second").ready()
    job.wait(20)
    assert engine.kinds(job).count("claimed") == 1


def test_a_stop_interrupts_and_releases_what_does_not_end_in_time(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, shutdown_timeout=0.2).ready()
    job, stubborn = submit(engine, "patient"), submit(engine, "deaf")
    note(engine, "begin", 2)
    executor.signal(TERM)
    assert executor.stopped() == 0
    note(engine, "interrupted 1 stopped")
    assert {job.state, stubborn.state} == {"QUEUED"}
    assert "stopped" in engine.kinds(job)
    assert not ({"died", "lost"} & {*engine.kinds(job), *engine.kinds(stubborn)})


def test_a_second_signal_stops_at_once(engine: Engine) -> None:
    executor = engine.executor(ACTIONS).ready()
    job = submit(engine, "deaf")
    pid = int(note(engine, "begin")[-1])
    executor.signal(signal.SIGINT)
    executor.wait_for_log(" stops when")
    executor.signal(signal.SIGINT)
    assert executor.stopped(10) == 0
    assert not alive(pid)
    assert job.state == "QUEUED"
    assert "stopped" in engine.kinds(job)


def test_a_source_of_actions_that_does_not_exist_is_one_line_and_exit_2(engine: Engine) -> None:
    executor = engine.executor("no/such/folder")
    assert executor.stopped() == 2
    assert executor.log.count("\n") == 1
    assert "no/such/folder" in executor.log


def test_credentials_that_are_refused_are_one_line_and_exit_1(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, credentials={"username": "admin", "password": "wrong-password"})
    assert executor.stopped() == 1
    assert "may not attend" in executor.log
    assert "Traceback" not in executor.log


def test_a_module_that_does_not_import_is_named_and_the_others_load(engine: Engine) -> None:
    folder = engine.folder / "actions"
    folder.mkdir()
    (folder / "bad.py").write_text("import no_such_module\n")
    (folder / "good.py").write_text("from job_engine import action\n@action\ndef fine(): return 1\n")
    executor = engine.executor(folder).ready()
    assert "bad.py does not load" in executor.log
    assert engine.client.submit("fine").wait(10) == 1
    assert any("bad.py" in source for source in engine.client.executors()[0].failed_imports)


def test_a_process_that_an_action_forks_ends_by_a_signal_and_holds_nothing(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    assert engine.client.submit("forks").wait(20) == ["refused", -TERM]


def test_a_worker_process_that_cannot_tell_its_supervisor_ends_without_a_word() -> None:
    ended = subprocess.run([sys.executable, "-c", TELLING_NOBODY], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (-signal.SIGKILL, "")
