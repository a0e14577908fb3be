"""What ``up`` asks of the machine: folder, lock, port, signals, children."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading

import pytest

from job_engine.cli.command_line import command_line
from job_engine.cli.processes.child import Child, how
from job_engine.cli.processes.engine import Engine
from job_engine.cli.processes.folder import LOCK, in_use, locked, prepare
from job_engine.cli.processes.signals import caught
from job_engine.cli.serving.listening import address_of, listening
from job_engine.executor.supervisor import KILLED, LAST_WORDS, STOP_GRACE
from job_engine.job.errors import Conflict, Invalid
from job_engine.parent import when_gone
from tests.integration.running import alive, eventually


def test_the_folder_is_the_owners_only(tmp_path):
    folder = prepare(tmp_path / "a" / "b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Invalid, match="--data"):
            prepare(wrong)


def test_one_at_a_time(tmp_path):
    with locked(tmp_path):
        assert in_use(tmp_path / LOCK)
        with pytest.raises(Conflict, match=rf"pid {os.getpid()}\)"), locked(tmp_path):
            pass
    assert not in_use(tmp_path / LOCK)
    with locked(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from job_engine.cli.processes.folder import locked\n"
        "with locked(Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Conflict, match=str(other.pid)), locked(tmp_path):
            pass
        other.kill()
        other.wait()
    with locked(tmp_path):
        pass


def test_a_port_in_use_is_told(tmp_path):
    with listening("127.0.0.1", 0) as first:
        host, port = address_of(first)
        assert port > 0
        with pytest.raises(Invalid, match=f"port {port} of {host} is in use; choose another with --port"):
            listening(host, port)
    with listening("127.0.0.1", port):
        pass


def test_a_port_that_is_just_released_is_waited_for():
    first = listening("127.0.0.1", 0)
    _, port = address_of(first)
    asked = iter([True, True])

    def ending():
        if next(asked, None) is None:
            first.close()
        return True

    with listening("127.0.0.1", port, ending) as second:
        assert address_of(second)[1] == port


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1", "bad host"])
def test_a_foreign_address_is_told(host):
    with pytest.raises(Invalid, match="is not an address of this machine"):
        listening(host, 0)


def test_the_version_six_loopback():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:  # a machine without it says so
        with pytest.raises(Invalid, match="is not an address of this machine"):
            listening("::1", 0)
        return
    with listening("::1", 0) as sock:
        assert address_of(sock)[0] == "::1"


def test_signals_are_events():
    with caught([signal.SIGUSR1]) as signals:
        assert signals.wait(0) == []
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signals.wait(10) == [signal.SIGUSR1]
        signals.wake()
        assert signals.wait(10) == []
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_the_death_of_the_parent_is_noticed():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)  # as an event loop may have done
    gone = threading.Event()
    when_gone(reading, gone.set)
    assert not gone.is_set()
    os.close(writing)
    assert gone.wait(10)


def test_a_child_that_dies_is_planned_again_with_growing_pauses(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with caught([signal.SIGCHLD]) as signals:
        child = Child("server", ["x"], [], said.append)
        for _ in range(3):
            child.start()
            code = None
            while code is None:
                signals.wait(10)
                code = child.ended()
            assert code == 1
            child.again_later(code)
            assert child.due is not None
    assert [line.rpartition(" in ")[2] for line in said] == ["0.1 s", "0.2 s", "0.4 s"]
    assert "the server ended (exit code 1)" in said[0]


def test_a_child_that_does_not_end_is_killed(tmp_path, monkeypatch):
    script = tmp_path / "stubborn"
    script.write_text(f"#!/bin/sh\ntrap '' TERM\necho > {tmp_path}/deaf\nwhile :; do sleep 0.1; done\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    child = Child("executor", [], [], print)
    child.start()
    pid = child.pid
    assert pid is not None
    eventually((tmp_path / "deaf").exists)
    child.end(0.3)
    assert child.pid is None
    assert not alive(pid)


def test_ends_in_words():
    assert [how(2), how(-9), how(-99)] == ["exit code 2", "killed by SIGKILL", "killed by signal 99"]


def test_pasted_lines_are_quoted(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/pytest"])
    assert command_line("submit", "--data", "/a b", "noop").endswith(" -m job_engine.cli submit --data '/a b' noop")
    monkeypatch.setattr(sys, "argv", ["/not on path/job-engine"])
    assert command_line("jobs") == "'/not on path/job-engine' jobs"


def test_an_executor_may_take_the_time_it_grants_itself(tmp_path):
    """An executor that is killed while it stops looks like one that died of its jobs."""
    with listening("127.0.0.1", 0) as sock:
        engine = Engine(tmp_path, sock, executor=[], shutdown_timeout=7.0, log_level="INFO")
    engine._parts.end()
    assert engine._patience > 7.0 + STOP_GRACE + KILLED + LAST_WORDS
