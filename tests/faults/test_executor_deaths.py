"""Worker processes, supervisors and servers that die or freeze."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from job_engine.client.handle import JobFailed
from tests.integration.engine_processes import CONT, KILL, STOP, Engine, alive, until

ACTIONS = Path(__file__).parent / "executor_actions.py"


@pytest.fixture
def engine(tmp_path: Path):
    engine = Engine(tmp_path)
    yield engine
    engine.close()


def notes(engine: Engine) -> list[str]:
    path = engine.folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def note(engine: Engine, start: str, count: int = 1) -> list[str]:
    """The words of the last line that starts so, once there are as many."""

    def found() -> list[str]:
        lines = [line for line in notes(engine) if line.startswith(start)]
        return lines[count - 1].split() if len(lines) >= count else []

    return until(found, f"the note {start!r}")


def go(engine: Engine) -> None:
    (engine.folder / "go").touch()


def submit(engine: Engine, action: str, **payload: object):
    return engine.client.submit(action, payload={"folder": str(engine.folder), **payload})


def test_a_killed_worker_process_is_replaced_and_its_job_runs_again(engine: Engine) -> None:
    executor = engine.executor(ACTIONS).ready()
    job = submit(engine, "patient")
    pid = int(note(engine, "begin 1 False")[-1])
    os.kill(pid, KILL)
    note(engine, "begin 2 True")
    assert not alive(pid)
    go(engine)
    assert job.wait(10) == "attempt 2"
    assert "killed by signal 9 (SIGKILL)" in next(e.detail for e in engine.client.events(job) if e.kind == "died")
    assert "which run again" in executor.log


def test_a_job_that_kills_its_process_three_times_fails_and_the_others_run(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    job = submit(engine, "die")
    others = [submit(engine, "noted") for _ in range(20)]
    with pytest.raises(JobFailed, match=r"died 3 times.*killed by signal 9 \(SIGKILL\)"):
        job.wait(20)
    for other in others:
        other.wait(10)
    assert job.attempt == 3
    assert [line.split()[:3] for line in notes(engine) if line.startswith("begin")] == [
        ["begin", "1", "False"],
        ["begin", "2", "True"],
        ["begin", "3", "True"],
    ]


def test_an_exit_code_is_told(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    job = submit(engine, "die", code=3, times=1)
    assert job.wait(10) == "attempt 2 resumed True"
    assert next(e.detail for e in engine.client.events(job) if e.kind == "died") == "exit code 3"


def test_jobs_that_had_not_begun_in_a_dead_process_run_at_their_first_attempt(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=1).ready()
    for _ in range(50):
        engine.client.submit("quick").wait(10)  # now more than one is given to a process
    first = submit(engine, "die", times=1)
    others = engine.client.submit_many("noted", [{"folder": str(engine.folder)}] * 30)
    first.wait(10)
    for other in others:
        other.wait(10)
    ran = [line.split()[1] for line in notes(engine) if line.startswith("ran")]
    assert sorted(ran) == sorted(job.id for job in others)
    assert not any("died" in engine.kinds(job) for job in map(engine.client.job, others))


def test_programs_that_actions_started_end_with_their_worker_process(engine: Engine) -> None:
    engine.executor(ACTIONS).ready()
    submit(engine, "parent_of".replace("_", "-"))
    _, child, worker = note(engine, "child")
    os.kill(int(worker), KILL)
    until(lambda: not alive(int(child)), "the child to end")


def test_a_busy_run_folder_is_an_error(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = engine.folder / "run"
    engine.executor(ACTIONS, run_dir=run_dir).ready()
    second = engine.executor(ACTIONS, run_dir=run_dir, constants={"job_engine.executor.run_folder.WAIT": 0.1})
    assert second.stopped() == 2
    assert second.log.count("\n") == 1
    assert "another executor uses the run folder" in second.log


def test_a_parent_that_is_gone_ends_everything_at_once(engine: Engine) -> None:
    read, write = os.pipe()
    executor = engine.executor(ACTIONS, parent_fd=read).ready()
    os.close(read)
    submit(engine, "deaf")
    pid = int(note(engine, "begin")[-1])
    os.close(write)
    executor.stopped(5)
    until(lambda: not alive(pid), "the worker to end")


def test_a_killed_server_that_comes_back_costs_nothing(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, processes=2).ready()
    long = submit(engine, "patient")
    note(engine, "begin 1")
    jobs = engine.client.submit_many("noted", [{"folder": str(engine.folder)}] * 1000)
    until(lambda: len(notes(engine)) > 100, "some jobs to run")
    engine.kill_server()
    executor.wait_for_log("trying again")
    engine.start_server()
    until(lambda: engine.client.count("state='QUEUED' or state='RUNNING'") == 1, "the jobs to end")
    ran = [line.split()[1] for line in notes(engine) if line.startswith("ran")]
    assert sorted(ran) == sorted(job.id for job in jobs), "each once, none lost"
    go(engine)
    assert long.wait(10) == "attempt 1"
    executor.wait_for_log("answers again")
    assert "interrupted" not in executor.log


class TestLongPeriod:
    """Here nothing happens because the period is over: tests do not wait that long."""

    @pytest.fixture
    def engine(self, tmp_path: Path):
        engine = Engine(tmp_path, period=300.0)
        yield engine
        engine.close()

    def test_a_killed_supervisor_takes_its_workers_along_and_a_successor_begins_at_once(self, engine: Engine) -> None:
        run_dir = engine.folder / "run"
        executor = engine.executor(ACTIONS, run_dir=run_dir).ready()
        job = submit(engine, "patient")
        pid = int(note(engine, "begin 1 False")[-1])
        until(lambda: "started" in job.refresh().document, "its start to be told")
        executor.signal(KILL)
        executor.process.wait()
        until(lambda: not alive(pid), "the worker to end")
        engine.executor(ACTIONS, run_dir=run_dir).ready()
        note(engine, "begin 2 True")
        go(engine)
        assert job.wait(10) == "attempt 2"

    def test_a_process_that_an_action_forked_does_not_hold_up_a_successor(self, engine: Engine) -> None:
        run_dir = engine.folder / "run"
        executor = engine.executor(ACTIONS, run_dir=run_dir).ready()
        submit(engine, "parent-of-a-fork")
        child = int(note(engine, "forked")[-1])
        executor.signal(KILL)
        executor.process.wait()
        try:
            engine.executor(ACTIONS, run_dir=run_dir).ready()
            assert alive(child), "else this shows nothing"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, KILL)

    def test_api_grace_is_kept(self, engine: Engine) -> None:
        executor = engine.executor(ACTIONS, api_grace=0.1).ready()
        submit(engine, "patient")
        note(engine, "begin 1")
        engine.kill_server()
        note(engine, "interrupted 1 lost")
        executor.wait_for_log("has not answered for too long")


class TestShortPeriod:
    @pytest.fixture
    def engine(self, tmp_path: Path):
        engine = Engine(tmp_path, period=2.0)
        yield engine
        engine.close()

    def test_a_frozen_supervisor_stops_its_workers_and_its_late_words_are_refused(self, engine: Engine) -> None:
        frozen = engine.executor(ACTIONS, name="frozen").ready()
        job = submit(engine, "deaf")
        pid = int(note(engine, "begin 1 False")[-1])
        until(lambda: "started" in job.refresh().document, "its start to be told")
        frozen.signal(STOP)
        until(lambda: not alive(pid), "its worker to end by itself")
        engine.executor(ACTIONS, name="other").ready()
        note(engine, "begin 2 True")
        frozen.signal(CONT)
        frozen.wait_for_log("worker process")
        until(lambda: len(engine.client.executors()) == 2, "the frozen one to attend again")
        again = [submit(engine, "noted") for _ in range(8)]
        for one in again:
            one.wait(10)
        go(engine)
        job.wait(10)
        assert job.attempt == 2
        assert [kind for kind in engine.kinds(job) if kind in ("died", "lost", "success")] == ["lost", "success"]

    def test_an_api_that_stays_away_gets_jobs_interrupted_and_back(self, engine: Engine) -> None:
        executor = engine.executor(ACTIONS).ready()
        job = submit(engine, "patient")
        note(engine, "begin 1")
        until(lambda: "started" in job.refresh().document, "its start to be told")
        engine.kill_server()
        note(engine, "interrupted 1 lost")
        engine.start_server()
        note(engine, "begin 2 True")
        go(engine)
        assert job.wait(10) == "attempt 2"
        assert "died" not in engine.kinds(job)
        assert executor.log.count("interrupted and released") <= 1, "said once, unless its workers saw it first"

    def test_an_action_that_holds_the_interpreter_loses_no_hold(self, engine: Engine) -> None:
        executor = engine.executor(ACTIONS, threads=2).ready()
        job = submit(engine, "hog", seconds=3.0)
        job.wait(60)
        assert (job.attempt, engine.kinds(job).count("claimed")) == (1, 1)
        assert "interrupted" not in executor.log


def test_workers_that_cannot_start_are_tried_again_later_and_later(engine: Engine) -> None:
    bad = engine.folder / "bad.py"
    bad.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    executor = engine.executor(bad)
    executor.wait_for_log("again and again")
    bad.write_text("")
    executor.ready()
    assert signal.Signals(9).name in executor.log


def test_a_replacement_that_lacks_actions_is_not_used(engine: Engine) -> None:
    actions = engine.folder / "actions.py"
    actions.write_text(ACTIONS.read_text())
    executor = engine.executor(actions, processes=2, threads=1).ready()
    jobs = [submit(engine, "patient") for _ in range(2)]
    pid = int(note(engine, "begin 1 False", 2)[-1])  # both processes have loaded it
    announced = engine.client.executors()[0].actions
    actions.write_text("")
    os.kill(pid, KILL)
    executor.wait_for_log("and is not used")
    jobs += [submit(engine, "patient") for _ in range(4)]
    go(engine)
    assert {job.wait(20) for job in jobs} <= {"attempt 1", "attempt 2"}
    assert engine.client.executors()[0].actions == announced


def test_an_action_that_cannot_be_interrupted_costs_its_process_and_nobody_else(engine: Engine) -> None:
    executor = engine.executor(ACTIONS, threads=2, constants={"job_engine.executor.pool.STUCK": 0.5}).ready()
    stuck = submit(engine, "stubborn")
    pid = int(note(engine, "begin 1 False")[-1])
    neighbour = submit(engine, "patient")
    note(engine, "begin 1 False", 2)
    stuck.cancel()
    executor.wait_for_log("does not react to its interruption")
    submit(engine, "noted").wait(10)
    assert alive(pid), "the neighbour still runs there"
    later = submit(engine, "patient")
    assert int(note(engine, "begin 1 False", 3)[-1]) != pid
    later.cancel()
    note(engine, "interrupted")
    engine.client.cancel(neighbour)
    until(lambda: not alive(pid), "the process to end with its last good job")
    assert "died" not in engine.kinds(stuck)


def test_a_process_into_which_an_exception_was_thrown_is_replaced(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=2).ready()
    deaf = submit(engine, "deaf")
    pid = int(note(engine, "begin 1 False")[-1])
    deaf.cancel()
    until(lambda: not alive(pid), "the process to end, which may have been left with a lock taken")
    submit(engine, "noted").wait(10)
    assert deaf.state == "CANCELED"


def test_a_timeout_that_an_action_does_not_heed_fails_the_job(engine: Engine) -> None:
    engine.executor(ACTIONS, threads=1, constants={"job_engine.executor.pool.STUCK": 0.5}).ready()
    job = engine.client.submit("stubborn", payload={"folder": str(engine.folder)}, timeout=0.2)
    with pytest.raises(JobFailed, match=r"timed out after 0\.2 s, and did not react"):
        job.wait(10)
    submit(engine, "noted").wait(10)
