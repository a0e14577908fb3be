"""The client against a real engine."""

import threading
import time
from pathlib import Path

import pytest

from job_engine.client import Client, JobCanceled, JobFailed
from job_engine.job.errors import Conflict, Forbidden, Invalid, NotFound
from job_engine.job.states import State
from tests.integration.running import WITHIN, eventually, running, unique


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("engine") / "data") as engine:
        yield engine


@pytest.fixture
def client(up):
    with up.client() as found:
        yield found


def test_a_job_from_its_submission_to_its_result(client):
    job = client.submit("add", payload={"a": 2, "b": 3}, name="five", priority=7, tags=["t"])
    assert job.wait(WITHIN) == 5
    assert (job.state, job.progress, job.result, job.attempt, job.final) == (State.SUCCESS, 100, 5, 1, True)
    assert (job.document["name"], job.document["priority"], job.document["tags"]) == ("five", 7, ["t"])
    assert [line.text for line in job.logs()] == ["adding 2 and 3", "that makes 5"]
    assert job.events()[0].kind == "added"
    assert job.explain().state == "SUCCESS"
    assert client.job(job.id.removeprefix("job/")) == job


def test_a_failure_says_why(client):
    job = client.submit("fail", payload={"why": "out of luck"})
    with pytest.raises(JobFailed, match=r"\(fail\) failed: out of luck"):
        job.wait(WITHIN)
    assert job.return_code == 3


def test_many(client):
    tag = unique("many")
    jobs = client.submit_many("add", ({"a": n} for n in range(2500)), tags=[tag])
    assert len({job.id for job in jobs}) == 2500
    assert [job.wait(WITHIN) for job in jobs[::100]] == list(range(1, 2501, 100))
    eventually(lambda: client.count(f"tags='{tag}' and state='SUCCESS'") == 2500)


def test_adding_again_with_the_same_key_adds_nothing(client):
    first = client.submit_many("noop", [None] * 3, key="again")
    assert client.submit_many("noop", [None] * 3, key="again") == first


def test_a_lost_answer_adds_nothing_twice(up, client):
    """The requests of a whole submission are sent twice, as the client does when an answer was lost."""
    tag = unique("lost")
    call = client._connection.call
    client._connection.call = lambda *a, **k: (call(*a, **k), call(*a, **k))[1]
    jobs = client.submit_many("noop", [None] * 5, tags=[tag])
    job = client.submit("noop", tags=[tag])
    client._connection.call = call
    assert client.count(f"tags='{tag}'") == 6
    assert len({*jobs, job}) == 6


def test_waiting_has_a_limit_and_the_job_goes_on(client, tmp_path):
    go = tmp_path / "go"
    job = client.submit("wait-for", payload={"path": str(go)})
    with pytest.raises(TimeoutError, match="goes on"):
        job.wait(0.2)
    go.touch()
    assert job.wait(WITHIN) == {"attempt": 1}


def test_changes(client, tmp_path):
    go = tmp_path / "go"
    job = client.submit("wait-for", payload={"path": str(go)})
    seen = []
    for seen_job in job.changes(WITHIN):
        seen.append((seen_job.document["state"], seen_job.document.get("progress")))
        if seen[-1][1] == 40:
            go.touch()
    assert ("RUNNING", 40) in seen
    assert seen[-1] == ("SUCCESS", 100)


def test_a_cancel_reaches_who_waits(client, tmp_path):
    job = client.submit("wait-for", payload={"path": str(tmp_path / "never")})
    eventually(lambda: job.state == State.RUNNING)
    timer = threading.Timer(0.2, lambda: client.job(job.id).cancel())
    timer.start()
    with pytest.raises(JobCanceled, match="was canceled"):
        job.wait(WITHIN)
    timer.join()
    job.cancel()
    done = client.submit("noop")
    done.wait(WITHIN)
    with pytest.raises(Conflict, match="ended already: SUCCESS"):
        done.cancel()


def test_retry_and_delete(client):
    job = client.submit("add", payload={"a": 1})
    job.wait(WITHIN)
    again = client.retry(job)
    assert again.wait(WITHIN) == 2
    assert again.document["retry-of"] == job.id
    client.delete(job)
    with pytest.raises(NotFound):
        client.job(job.id)
    with pytest.raises(NotFound):
        client.delete(job)


def test_delays(client):
    job = client.submit("noop", delay=3)
    before = time.time()
    assert job.state == State.QUEUED
    explanation = job.explain()
    assert not all(term.met for term in explanation.terms)
    job.wait(WITHIN)
    assert time.time() > before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"priority": 1000}, "priority"),
        ({"retries": -1}, "retries"),
        ({"target": "not an href"}, "target-resource"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"mode": "pushy"}, "execution-mode"),
        ({"not_before": "tomorrow"}, "not-before"),
    ],
)
def test_what_the_record_does_not_take(client, options, said):
    with pytest.raises(Invalid, match=said):
        client.submit("noop", **options)
    with pytest.raises(Invalid, match=said):
        client.submit_many("noop", [None], **options)


def test_following_a_log(client, tmp_path):
    job = client.submit("add", payload={"a": 1}, delay=0.3)
    assert [line.text for line in job.logs(follow=True)] == ["adding 1 and 1", "that makes 2"]


def test_search(client):
    tag = unique("search")
    for n in range(3):
        client.submit("add", payload={"a": n}, name=f"s{n}", tags=[tag]).wait(WITHIN)
    found = client.jobs(f"tags='{tag}'", select=["name"], orderby="name:desc", first=1, last=2)
    assert [job.document["name"] for job in found] == ["s2", "s1"]
    assert found[0].document.keys() == {"id", "name"}
    assert client.count(f"tags='{tag}'") == 3
    with pytest.raises(Invalid, match="filter"):
        client.jobs("tags=")


def test_other_credentials(up):
    with (
        Client(up.line("API"), username="admin", password="wrong", environ={}) as wrong,
        pytest.raises(Forbidden, match="invalid credentials"),
    ):
        wrong.jobs()
    with Client(up.line("API"), environ={"XDG_DATA_HOME": str(Path("/nonexistent"))}) as nobody:
        assert nobody.status().status == "ok"
        with pytest.raises(Forbidden):
            nobody.submit("noop")


def test_an_action_that_waits_for_a_job_without_a_free_slot_logs_it(client, tmp_path):
    path = tmp_path / "go"
    other = client.submit("wait-for", payload={"path": str(path)})
    eventually(lambda: other.state == State.RUNNING)
    parent = client.submit("adds")
    (said,) = eventually(lambda: [line for line in parent.logs() if "does not begin" in line.text])
    assert "(add) does not begin: all 2 slots for it are busy" in said.text
    assert said.level == "WARNING"
    path.touch()
    assert parent.wait(WITHIN) == 2
