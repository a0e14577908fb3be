"""The container's health check, `deploy/app/healthy`, and what it asks, on this machine."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import certificates
from tests.integration.running import WITHIN, clean, eventually, running, start

HEALTHY = Path(__file__).parents[2] / "deploy" / "app" / "healthy"
SILENT = "http://127.0.0.1:9"


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    environ = clean() | {"JOB_ENGINE_HEALTH_DIR": str(folder)}
    return subprocess.run([sys.executable, HEALTHY], capture_output=True, text=True, timeout=WITHIN, env=environ)


def well(folder: Path) -> bool:
    done = checked(folder)
    assert done.returncode == 0 or "does not answer" in done.stderr, done.stderr
    return done.returncode == 0


def test_up_is_well_when_its_parts_are_and_ill_when_one_hangs(tmp_path):
    health = tmp_path / "health"
    with running(tmp_path / "data", environ={"JOB_ENGINE_HEALTH_DIR": str(health)}) as up:
        eventually(
            lambda: sorted(p.name for p in health.glob("*")) == ["distributor.sock", "executor.sock", "server.sock"]
        )
        eventually(lambda: well(health))
        for role, pid in up.children().items():
            os.kill(pid, signal.SIGSTOP)
            try:
                done = checked(health)
                assert done.returncode == 1
                assert done.stderr == f"the {role} does not answer: timed out\n"
            finally:
                os.kill(pid, signal.SIGCONT)
            eventually(lambda: well(health))
        assert up.stop() == 0
    assert list(health.glob("*")) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_is_asked_on_the_port_it_has(scheme, tmp_path):
    health = tmp_path / "health"
    log = tmp_path / "server.log"
    tls = ("--tls-cert", str(certificates.make(tmp_path).server)) if scheme == "https" else ()
    process = start(log, "server", "--data", str(tmp_path / "data"), "--port", "0", "--health-dir", str(health), *tls)
    try:
        eventually(lambda: f"listening on {scheme}:" in log.read_text())
        assert well(health)
    finally:
        process.terminate()
        assert process.wait(WITHIN) == 0, log.read_text()
    assert checked(health).returncode == 0  # nothing is left to ask


@pytest.mark.parametrize("role", ["executor", "distributor"])
def test_one_that_waits_for_its_server_is_well(role, tmp_path):
    health, log = tmp_path / "health", tmp_path / "log"
    process = start(log, role, "--api-url", SILENT, "--api-authn-header", "group/nuvla-admin",
                    environ={"JOB_ENGINE_HEALTH_DIR": str(health)})  # fmt: skip
    try:
        eventually(lambda: (health / f"{role}.sock").exists() and well(health))
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(WITHIN)


def test_a_distributor_whose_modules_never_load_is_ill(tmp_path):
    health, log, hangs = tmp_path / "health", tmp_path / "log", tmp_path / "hangs.py"
    hangs.write_text(f"import time; open({str(hangs)!r} + '.began', 'w').close(); time.sleep(1000)")
    process = start(log, "distributor", "--api-url", SILENT, "--api-authn-header", "group/nuvla-admin",
                    "--distributions", str(hangs), environ={"JOB_ENGINE_HEALTH_DIR": str(health)})  # fmt: skip
    try:
        eventually(Path(f"{hangs}.began").exists)
        assert checked(health).stderr == "the distributor does not answer: timed out\n"
    finally:
        process.kill()
        process.wait()
    assert checked(health).stderr.startswith("the distributor does not answer: ")  # it was killed, and not replaced


def test_where_no_socket_can_be_made_a_part_says_so(tmp_path):
    log, file = tmp_path / "log", tmp_path / "file"
    file.write_text("")
    process = start(log, "executor", "--api-url", SILENT, "--health-dir", str(file))
    assert process.wait(WITHIN) == 2
    assert log.read_text().endswith(
        f"cannot listen in the health folder {file}: File exists; name another --health-dir\n"
    )
