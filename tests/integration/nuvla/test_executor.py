"""Real executors beside a server that looks like Nuvla's: the flags of upstream's, and what can be seen of them."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.recipe.queue import LockingQueue

from tests.integration.nuvla.processes import APP, NuvlaServer, encoded, executor, program
from tests.integration.running import eventually
from tests.zookeeper import Proxy, free_port


@pytest.fixture(scope="module")
def server(host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NuvlaServer]:
    server = NuvlaServer(tmp_path_factory.mktemp("nuvla"), host)
    yield server
    server.close()


@pytest.fixture(scope="module")
def running(server: NuvlaServer) -> Iterator[Any]:
    """An executor that takes from the queue."""
    with program(server.folder, *executor(server, "--zk-hosts", server.host, *server.credentials)) as one:
        one.says(" runs ")
        yield one


def test_jobs_run_and_leave_the_queue(server: NuvlaServer, running: Any) -> None:
    jobs = [server.add("add", payload=f'{{"a": {n}}}') for n in range(20)]
    for n, job in enumerate(jobs):
        ended = server.ended(job)
        assert (ended["state"], ended["return-code"]) == ("SUCCESS", 0)
        assert ended["status-message"] == f"adding {n} and 1"
    eventually(lambda: not server.entries())
    assert "is a Nuvla server" in running.said


@pytest.mark.parametrize(
    ("payload", "state", "code", "message"),
    [
        ("0", "SUCCESS", 0, None),
        ("7", "FAILED", 7, "do_work() returned 7; 0 is success"),
        ("-1", "FAILED", None, "do_work() returned -1; 0 is success"),
        ('"true"', "FAILED", None, "do_work() returned True; 0 is success"),
        ('"x"', "FAILED", None, "do_work() returned 'x'; 0 is success"),
        ('"none"', "FAILED", None, "do_work() returned None; 0 is success"),
        ('"raise"', "FAILED", 1, "ValueError: no constructor"),
        ('"boom"', "FAILED", 1, "ValueError: no work"),
    ],
)
def test_every_return_is_an_end(
    server: NuvlaServer, running: Any, payload: str, state: str, code: int | None, message: str | None
) -> None:
    ended = server.ended(server.add("returning", payload=payload))
    assert (ended["state"], ended.get("return-code"), ended.get("status-message")) == (state, code, message)
    eventually(lambda: not server.entries())


def test_what_actions_ask_says_nothing_of_holds(server: NuvlaServer, running: Any) -> None:
    ended = server.ended(server.add("where"))
    assert ended["status-message"] == "/srv/nuvlaedge/shared/ False where"
    assert server.like.held == []


def test_a_job_survives_the_death_of_its_process(server: NuvlaServer, running: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    job = server.add("noted", payload=f'{{"path": "{notes}"}}')
    assert server.ended(job)["state"] == "SUCCESS"
    assert notes.read_text() == f"{job.id}\n" * 2
    eventually(lambda: not server.entries())


def test_mixed_goes_on_in_pull_mode(server: NuvlaServer, running: Any) -> None:
    job = server.add("returning", payload='"boom"', execution_mode="mixed")
    eventually(lambda: server.client.document(job.id)["execution-mode"] == "pull")
    document = server.client.document(job.id)
    assert document["state"] == "QUEUED"
    assert document["status-message"].startswith("Re-running job in pull mode after failed first attempt: ValueError")
    eventually(lambda: not server.entries())


def test_a_stop_gives_back_what_runs(server: NuvlaServer, tmp_path: Path) -> None:
    path = f"/{tmp_path.name}"
    place = ["--zk-hosts", server.host, "--zk-path", path]
    with program(server.folder, *executor(server, *place, "--shutdown-timeout", "0", *server.credentials)) as one:
        job = server.add("wait-for", put=False, payload=f'{{"path": "{tmp_path / "go"}"}}')
        LockingQueue(server.kazoo, path).put(job.id.encode(), 100)
        eventually((tmp_path / "go.begun").exists)
        one.process.send_signal(signal.SIGTERM)
        assert one.code() == 0
    assert server.client.document(job.id)["state"] == "RUNNING"
    assert len(server.kazoo.get_children(f"{path}/entries")) == 1
    assert server.kazoo.get_children(f"{path}/taken") == []
    server.client.cancel(job.id)


def test_an_api_that_is_away_for_too_long_costs_an_attempt_and_no_job(server: NuvlaServer, tmp_path: Path) -> None:
    proxy = Proxy(server.port)
    path = f"/{tmp_path.name}"
    place = ["--zk-hosts", server.host, "--zk-path", path, "--api-url", proxy_url(proxy)]
    login = ["--api-user", server.user, "--api-pass", server.password]
    notes = tmp_path / "notes"
    with program(server.folder, *executor(server, *place, "--api-grace", "0.5", *login)) as one:
        job = server.add("busy", put=False, payload=f'{{"path": "{notes}"}}')
        LockingQueue(server.kazoo, path).put(job.id.encode(), 100)
        eventually(lambda: server.client.document(job.id)["progress"] > 0)
        proxy.set(refuse=True)
        proxy.cut()
        eventually(lambda: notes.exists() and "lost" in notes.read_text())
        eventually(lambda: server.kazoo.get_children(f"{path}/taken") == [])
        assert len(server.kazoo.get_children(f"{path}/entries")) == 1
        assert notes.read_text().count("begun") == 1
        proxy.set(refuse=False)
        eventually(lambda: notes.read_text().count("begun") == 2)
        Path(f"{notes}.go").touch()
        assert server.ended(job)["state"] == "SUCCESS"
        eventually(lambda: server.kazoo.get_children(f"{path}/entries") == [])
        assert "answers again" in one.said
    proxy.close()


def proxy_url(proxy: Proxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


# --- one job


def test_one_job_by_its_id(server: NuvlaServer) -> None:
    job = server.add("add", put=False, payload='{"a": 1}', execution_mode="pull")
    uuid = job.id.removeprefix("job/")
    with program(server.folder, *executor(server, "--job-id", uuid, *server.credentials)) as one:
        assert one.code() == 0, one.said
    assert server.client.document(job.id)["state"] == "SUCCESS"
    assert server.client.document(job.id)["status-message"] == "adding 1 and 1"


def test_one_job_with_the_cookies_of_a_session(server: NuvlaServer) -> None:
    job = server.add("where", put=False, execution_mode="pull")
    environ = {"JOB_COOKIES": server.cookies()}
    logins = server.like.seen.count(("POST", "/api/session"))
    flags = ["--api-url", server.url, "--nuvlaedge-fs", "/some/where"]
    with program(server.folder, *executor(server, "--job-id", job.id, *flags), environ=environ) as one:
        assert one.code() == 0, one.said
    assert server.client.document(job.id)["status-message"] == "/some/where True where"
    assert server.like.seen.count(("POST", "/api/session")) == logins


def test_one_job_that_fails_or_is_none_is_no_failure_of_the_executor(server: NuvlaServer) -> None:
    job = server.add("returning", put=False, payload="7", execution_mode="pull")
    final = server.add("add", put=False)
    server.call("PUT", f"/api/{final.id}", {"state": "SUCCESS"})
    for id_ in (job.id, final.id, "job/no-such"):
        with program(server.folder, *executor(server, "--job-id", id_, *server.credentials)) as one:
            assert one.code() == 0, one.said
    assert server.client.document(job.id)["return-code"] == 7


def test_one_job_of_a_server_of_ours(host: str, tmp_path: Path) -> None:
    server = NuvlaServer(tmp_path, host, nuvla=False)
    try:
        job = server.add("where", put=False, execution_mode="pull")
        with program(tmp_path, *executor(server, "--job-id", job.id, *server.credentials)) as one:
            assert one.code() == 0, one.said
        assert server.client.document(job.id)["state"] == "SUCCESS"
    finally:
        server.close()


# --- exit codes


def test_a_login_that_is_refused_is_1(server: NuvlaServer) -> None:
    wrong = ["--api-url", server.url, "--api-user", server.user, "--api-pass", "wrong"]
    for flags in (["--job-id", "job/1"], ["--zk-hosts", server.host]):
        with program(server.folder, *executor(server, *flags, *wrong)) as one:
            assert one.code() == 1, one.said
            assert "accepts no login of the executor: invalid credentials" in one.said
            assert one.said.count("\n") == 1


def test_no_connection_is_1_where_upstream_does_not_wait(server: NuvlaServer) -> None:
    nowhere = ["--api-url", f"http://127.0.0.1:{free_port()}", "--api-user", "x", "--api-pass", "y"]
    actions = ["--actions", str(server.actions)]
    commands = [
        executor(server, "--job-id", "job/1", *nowhere),
        executor(server, "--zk-hosts", server.host, "--no-wait-for-api", *nowhere),
        [*script("job_executor.py"), *actions, "--zk-hosts", server.host, *nowhere],
        [*script("job_executor.py"), *actions, *nowhere],
    ]
    for command in commands:
        with program(server.folder, *command) as one:
            assert one.code() == 1, one.said
            assert "connection refused" in one.said


def script(name: str) -> list[str]:
    return [sys.executable, str(APP / name)]


def test_an_api_that_is_not_there_yet_is_waited_for_and_a_stop_is_0(server: NuvlaServer) -> None:
    nowhere = ["--api-url", f"http://127.0.0.1:{free_port()}", "--api-user", "x", "--api-pass", "y"]
    with program(server.folder, *executor(server, "--zk-hosts", server.host, *nowhere)) as one:
        one.says("waiting for it")
        one.process.send_signal(signal.SIGTERM)
        assert one.code() == 0


def test_a_nuvla_server_without_zookeeper_is_told(server: NuvlaServer) -> None:
    with program(server.folder, *executor(server, *server.credentials)) as one:
        assert one.code() == 1
        assert "give --zk-hosts" in one.said


def test_wrong_use_is_2(server: NuvlaServer) -> None:
    cases = [["--zk-hosts", "not a host"], ["--log-level", "LOUD"], ["--no-such-flag"], ["--actions", "no/such/folder"]]
    for flags in cases:
        with program(server.folder, *executor(server, *flags, *server.credentials)) as one:
            assert one.code() == 2, (flags, one.said)
    for cookies in ("x", encoded({"a": "b"}, "nuvla.example")):
        command = executor(server, "--job-id", "job/1", "--api-url", server.url)
        with program(server.folder, *command, environ={"JOB_COOKIES": cookies}) as one:
            assert one.code() == 2, one.said
            assert "JOB_COOKIES" in one.said


# --- other flags and variables


def test_the_header_instead_of_a_login_and_the_name(server: NuvlaServer) -> None:
    job = server.add("where", put=False)
    logins = server.like.seen.count(("POST", "/api/session"))
    header = ["--api-url", server.url, "--api-authn-header", "group/nuvla-admin"]
    more = ["--name", "Some Name", "--statsd", "127.0.0.1:9999", "--api-insecure"]
    with program(server.folder, *executor(server, "--job-id", job.id, *header, *more)) as one:
        assert one.code() == 0, one.said
        assert "executor Some Name " in one.said
    assert server.client.document(job.id)["state"] == "SUCCESS"
    assert server.like.seen.count(("POST", "/api/session")) == logins


def test_a_key_goes_before_a_user(server: NuvlaServer) -> None:
    template = {"template": {"href": "credential-template/generate-api-key"}}
    key = server.call("POST", "/api/credential", template)
    job = server.add("add", put=False, payload='{"a": 1}')
    flags = ["--api-key", key["resource-id"], "--api-secret", key["secret-key"], "--api-user", "x", "--api-pass", "y"]
    with program(server.folder, *executor(server, "--job-id", job.id, "--api-url", server.url, *flags)) as one:
        assert one.code() == 0, one.said
    assert server.client.document(job.id)["state"] == "SUCCESS"


def test_how_much_is_logged(server: NuvlaServer) -> None:
    def said(*flags: str, **environ: str) -> str:
        job = server.add("add", put=False, payload='{"a": 1}')
        command = executor(server, "--job-id", job.id, *flags, *server.credentials)
        with program(server.folder, *command, environ=environ) as one:
            assert one.code() == 0, one.said
            return one.said

    assert " runs " in said()
    assert " runs " not in said("-l", "ERROR")
    assert " runs " not in said("-d", JOB_LOG_LEVEL="ERROR")
    assert "DEBUG" in said("-d")
    assert "DEBUG" in said("-l", "ERROR", JOB_LOG_LEVEL="DEBUG")


def test_the_light_image_has_only_actions_for_pull_mode(server: NuvlaServer) -> None:
    able, unable = server.add("where", put=False), server.add("add", put=False, payload='{"a": 1}')
    for job in (able, unable):
        command = executor(server, "--job-id", job.id, *server.credentials)
        with program(server.folder, *command, environ={"IMAGE_NAME": "job-lite"}) as one:
            assert one.code() == 0, one.said
    assert server.client.document(able.id)["state"] == "SUCCESS"
    assert server.client.document(unable.id)["status-message"] == f"Not implemented action {unable.id}: add"


def test_the_version_in_messages(server: NuvlaServer) -> None:
    job = server.add("add", put=False, version=1)
    command = executor(server, "--job-id", job.id, *server.credentials)
    with program(server.folder, *command, environ={"JOB_ENGINE_VERSION": "9.8.7"}) as one:
        assert one.code() == 0, one.said
    message = server.client.document(job.id)["status-message"]
    assert message == "Job v1 is not supported by Job engine v9.8.7"


def test_under_upstreams_name(server: NuvlaServer) -> None:
    job = server.add("add", put=False, payload='{"a": 1}')
    command = [str(APP / "job_executor.py"), "--job-id", job.id, "--actions", str(server.actions), *server.credentials]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with program(server.folder, *command, environ={"PATH": path}) as one:
        assert one.code() == 0, one.said
    assert server.client.document(job.id)["state"] == "SUCCESS"
