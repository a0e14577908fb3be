"""What child processes print is in the log of the job that started them, in order with its own prints."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
from contextvars import copy_context
from pathlib import Path

import pytest

from job_engine import Job, action
from job_engine.actions import children
from job_engine.testing import run_action

SHELL = "echo one; echo two >&2; printf three"


def ways():
    subprocess.run(SHELL, shell=True, check=True)
    print("after run")
    assert os.system(f"{SHELL}; exit 3") == 3 << 8
    print("after system")
    subprocess.check_call(["sh", "-c", SHELL], stdout=sys.stdout, stderr=subprocess.STDOUT)
    print("after check_call")
    process = subprocess.Popen(["sh", "-c", SHELL])
    while process.poll() is None:
        pass
    print("after poll")


def test_what_children_print_is_in_order_with_what_the_job_prints() -> None:
    written = ["one", "two", "three"]
    ran = run_action(action("ways")(ways))
    assert ran.state == "SUCCESS", ran.message
    ended = ("run", "system", "check_call", "poll")
    assert [line for _, line in ran.log] == [line for way in ended for line in (*written, f"after {way}")]
    assert ran.output == "\n".join(line for _, line in ran.log)


def test_a_line_that_the_job_has_begun_stands_before_what_a_child_writes() -> None:
    @action
    def asks():
        print("the host is", end=" ")
        subprocess.run(["echo", "here"], check=True)
        print()
        print("so be it")

    assert [line for _, line in run_action(asks).log] == ["the host is ", "here", "so be it"]


def test_children_of_coroutines_and_of_copied_contexts_write_to_the_job() -> None:
    @action
    async def waits():
        process = await asyncio.create_subprocess_exec("echo", "of a coroutine")
        await process.wait()
        await asyncio.to_thread(subprocess.run, ["echo", "of a thread"], check=True)
        thread = threading.Thread(target=copy_context().run, args=(subprocess.call, ["echo", "of a context"]))
        thread.start()
        thread.join()

    assert [line for _, line in run_action(waits).log] == ["of a coroutine", "of a thread", "of a context"]


def test_forked_children_write_to_the_job() -> None:
    def child():
        print("in Python")
        os.write(1, b"in C\n")

    @action
    def forks():
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join()
        print("joined")

    log = [line for _, line in run_action(forks).log]
    assert log == ["in Python", "in C", "joined"]


def test_what_somebody_asked_for_is_his() -> None:
    @action
    def reads():
        told = subprocess.run("echo out; echo err >&2", shell=True, check=True, capture_output=True, text=True)
        with os.popen("echo popen") as opened:
            popen = opened.read()
        half = subprocess.run("echo out; echo err >&2", shell=True, check=True, stdout=subprocess.PIPE, text=True)
        return told.stdout, told.stderr, popen, half.stdout

    ran = run_action(reads)
    assert ran.result == ["out\n", "err\n", "popen\n", "out\n"]
    assert ran.log == [("WARNING", "err")], "of the one that nobody asked for"


def test_every_child_has_lines_of_its_own() -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do printf a; sleep 0.001; echo b; done"

    @action
    def several():
        for process in [subprocess.Popen(["sh", "-c", script]) for _ in range(4)]:
            process.wait()

    assert [line for _, line in run_action(several).log] == ["ab"] * 36


def test_more_than_a_pipe_holds_and_broken_text() -> None:
    @action
    def writes():
        script = "head -c 300000 /dev/zero | tr '\\0' x; echo; printf '\\303\\251\\377\\n'"
        subprocess.run(script, shell=True, check=True)
        print("done")

    lines = [line for _, line in run_action(writes).log]
    assert len(lines[0]) == 10_000
    assert lines[1:] == ["é\ufffd", "done"]


def test_a_child_that_outlives_the_job_does_not_hold_it_up(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    go, pid = tmp_path / "go", tmp_path / "pid"

    @action
    def leaves(job: Job):
        script = f"echo early; (while [ ! -e {go} ]; do sleep 0.01; done; echo late) & echo $! > {pid}"
        subprocess.run(script, shell=True, check=True)

    ran = run_action(leaves)
    assert [line for _, line in ran.log] == ["early"]
    readers = [thread for thread in threading.enumerate() if thread.name == "child-output"]
    go.touch()
    for reader in readers:
        reader.join(20)
    assert capfd.readouterr().out == "late\n", "the executor's log has what no job has"
    assert [line for _, line in ran.log] == ["early"]


def test_a_program_that_is_not_there_leaves_no_pipe() -> None:
    @action
    def fails():
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            with pytest.raises(FileNotFoundError):
                subprocess.run(["/no/such/program"], check=True)
        assert len(os.listdir("/proc/self/fd")) == len(before)

    assert run_action(fails).state == "SUCCESS"


def test_outside_a_job_nothing_changes(capfd: pytest.CaptureFixture[str]) -> None:
    children.install()
    try:
        subprocess.run("echo out; echo err >&2", shell=True, check=True)
        assert os.system("echo system") == 0
    finally:
        children.uninstall()
    assert capfd.readouterr() == ("out\nsystem\n", "err\n")


def test_a_forked_child_does_not_wait_for_the_locks_of_the_log() -> None:
    @action
    def forks(job: Job):
        with job.captured._lock:
            held = threading.Event()
            thread = threading.Thread(target=copy_context().run, args=(_fork_and_log, job, held, codes := []))
            thread.start()
            thread.join(20)
        return codes

    assert run_action(forks).result == [0]


def _fork_and_log(job: Job, held: threading.Event, codes: list[int]) -> None:
    pid = children._fork()
    if pid == 0:
        import signal

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        job.logger.info("in the child")
        print("as well")
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
