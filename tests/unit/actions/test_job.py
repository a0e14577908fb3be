"""The author's job: upstream's names and meaning, and ours."""

import json
import math
import threading

import msgspec
import pytest
import requests
from nuvla.api import Api, NuvlaError
from nuvla.api.models import CimiResource

from job_engine import Interrupted, Invalid, Job, JobEngineError, JobUpdateError
from job_engine.actions.errors import NotJson
from job_engine.actions.job import NO_MESSAGE
from job_engine.job.attend import Granted
from job_engine.job.attributes import PAYLOAD_LIMIT
from job_engine.testing.hold import NotingHold
from tests.unit.actions.samples import job_of


class Server:
    """Stands for the API server, to see what is sent and to refuse it."""

    endpoint = "http://127.0.0.1:1"

    def __init__(self, error=None):
        self.error = error
        self.edits = []
        self.session = requests.Session()
        self.session.verify = False

    def edit(self, resource_id, data):
        self.edits.append((resource_id, dict(data)))
        if self.error:
            raise self.error
        return CimiResource({"id": resource_id, **data, "updated": "now"})

    def operation(self, resource, operation):
        assert resource.operations[operation]["href"] == f"{resource.id}/{operation}"
        return CimiResource({"deployment/1": {"id": "deployment/1"}})


def make(document=None, *, server=None, changes=None, checkpoint=None, attempt=1):
    hold = NotingHold(lambda: server, nuvlaedge_shared_path="/srv/shared")
    document = {"version": 2, **(document or {})}
    raw = msgspec.Raw(msgspec.json.encode(document))
    saved = None if checkpoint is None else msgspec.Raw(checkpoint)
    granted = Granted(1, 1, "job/1", "start", raw, attempt > 1, 2, changes or {}, saved, attempt=attempt)
    return Job(granted, hold), hold


def test_the_document():
    job, _ = make({"target-resource": {"href": "nuvlabox/1"}, "created-by": "user/1"}, changes={"progress": 40})
    assert dict in type(job).__mro__
    assert (job["id"], job.id, job.action, job.state, job.progress) == ("job/1", "job/1", "start", "RUNNING", 40)
    assert (job["version"], job.get("tags"), job["created-by"]) == (2, None, "user/1")
    assert job.target_resource_href == "nuvlabox/1"
    assert job.nuvlaedge_shared_path == "/srv/shared"
    assert (job.attempt, job.resumed, job.failures) == (1, False, 2)
    assert json.loads(json.dumps(job)) == dict(job)


def test_missing_items():
    job, _ = make()
    with pytest.raises(KeyError):
        _ = job.target_resource_href
    with pytest.raises(KeyError):  # as upstream
        _ = job.nothing
    assert not hasattr(job, "nothing")


@pytest.mark.parametrize(
    "change",
    [
        lambda job: job.__setitem__("progress", 1),
        lambda job: job.__delitem__("id"),
        lambda job: job.update(progress=1),
        lambda job: job.pop("id"),
        lambda job: job.popitem(),
        lambda job: job.clear(),
        lambda job: job.setdefault("x", 1),
        lambda job: job.__ior__({"x": 1}),
    ],
)
def test_it_is_read_only(change):
    job, _ = make()
    before = dict(job)
    with pytest.raises(TypeError, match="does not support item assignment"):
        change(job)
    assert job == before


def test_payload():
    assert make()[0].payload is None
    assert make({"payload": '{"a": [1]}'})[0].payload == {"a": [1]}
    for text in ("nope", "{", "[" * 100_000):
        assert make({"payload": text})[0].payload == text


def test_modes():
    assert not make()[0].is_in_pull_mode
    assert not make({"execution-mode": "mixed"})[0].is_in_pull_mode
    assert make(changes={"execution-mode": "pull"})[0].is_in_pull_mode


def test_writes_are_seen_at_once_and_sent_through_the_hold():
    job, hold = make()
    job.set_progress(10)
    job.set_status_message("half")
    job.set_return_code(3)
    job.set_state("RUNNING")
    job.update_job(status_message="x", progress=20, execution_mode="mixed", tags=["a"])
    job.update_job()
    assert hold.changes == [
        {"progress": 10},
        {"status-message": "half"},
        {"return-code": 3},
        {"state": "RUNNING"},
        {"status-message": "x", "progress": 20, "execution-mode": "mixed", "tags": ["a"]},
    ]
    assert (job.progress, job["status-message"], job["return-code"], job.tags) == (20, "x", 3, ["a"])
    assert job.has_set("return-code")
    assert not job.has_set("output")


def test_progress_is_a_whole_number():
    job, hold = make()
    job.set_progress(100 * 1 / 3)
    job.update_job(progress=100 * 2 / 3)
    job.set_progress(100.0)
    assert [json.dumps(change) for change in hold.changes] == [
        '{"progress": 33}',
        '{"progress": 67}',
        '{"progress": 100}',
    ]


def test_status_messages():
    job, hold = make()
    for message in ("", None, "  ", 5, "nul \x00", "\ud800"):
        job.set_status_message(message)
    sent = [change["status-message"] for change in hold.changes]
    assert sent == [NO_MESSAGE, NO_MESSAGE, NO_MESSAGE, "5", "nul \ufffd", "\ufffd"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda job: job.set_progress(101),
        lambda job: job.set_progress(-1),
        lambda job: job.set_progress(100.6),
        lambda job: job.set_progress(math.nan),
        lambda job: job.update_job(progress=math.inf),
        lambda job: job.set_progress("x"),
        lambda job: job.set_return_code(-1),
        lambda job: job.set_return_code("x"),
        lambda job: job.set_return_code(True),
        lambda job: job.set_state("DONE"),
        lambda job: job.update_job(progress=1, tags="x"),
        lambda job: job.update_job(execution_mode="x"),
        lambda job: job.add_nested_job("x"),
        lambda job: job.add_affected_resource("X Y"),
    ],
)
def test_wrong_values_are_refused_here(wrong):
    job, hold = make()
    before = dict(job)
    with pytest.raises(Invalid):
        wrong(job)
    assert hold.changes == []
    assert job == before


def test_lists_of_resources():
    job, hold = make(changes={"affected-resources": [{"href": "a/1", "x": 1}], "nested-jobs": ["job/2"]})
    job.add_affected_resource("a/1")
    job.add_affected_resources(["b/1", "a/1", "b/1"])
    job.add_nested_job("job/3")
    job.add_nested_jobs(iter(["job/2", "job/3"]))
    assert hold.changes == [
        {"affected-resources": [{"href": "a/1", "x": 1}, {"href": "b/1"}]},
        {"nested-jobs": ["job/2", "job/3"]},
    ]


@pytest.mark.parametrize("state", ["SUCCESS", "FAILED", "CANCELED", "QUEUED"])
def test_a_state_that_ends_the_hold_is_in_the_record_at_once(state):
    server = Server()
    job, hold = make(server=server)
    job.set_status_message("almost")
    job.update_job(state=state, return_code=4)
    assert server.edits == [("job/1", {"status-message": "almost", "state": state, "return-code": 4})]
    assert hold.changes == [{"status-message": "almost"}]
    assert (job.state, job["updated"]) == (state, "now")


@pytest.mark.parametrize(
    "error", [NuvlaError("edit is not allowed"), requests.ConnectionError("x"), requests.Timeout()]
)
def test_an_edit_that_is_refused(error):
    job, _ = make(server=Server(error))
    with pytest.raises(JobUpdateError, match="job/1: state could not be changed"):
        job.set_state("FAILED")
    assert issubclass(JobUpdateError, JobEngineError)


@pytest.mark.parametrize(
    "write",
    [
        lambda job: job.set_progress(1),
        lambda job: job.set_state("FAILED"),
        lambda job: setattr(job, "checkpoint", 1),
    ],
)
def test_writes_after_the_hold_has_ended(write):
    job, hold = make(server=Server())
    hold.interrupted.set("stopped")
    job.checkpoint = 1  # which a stop leaves time for
    job.set_progress(5)
    hold.interrupted.set("canceled")
    with pytest.raises(JobUpdateError, match="job/1 is not held by this attempt any more \\(canceled\\)"):
        write(job)
    assert hold.changes == [{"progress": 5}]
    assert hold.checkpoints == [1]


def test_checkpoints():
    job, hold = make(checkpoint=b'{"at":5}', attempt=2)
    assert (job.checkpoint, job.resumed, job.attempt) == ({"at": 5}, True, 2)
    job.checkpoint["at"] = 6
    assert job.checkpoint == {"at": 5}
    job.checkpoint = {"at": 7, "seen": {1}}
    assert job.checkpoint == {"at": 7, "seen": [1]}
    job.checkpoint = None
    assert job.checkpoint is None
    assert hold.checkpoints == [{"at": 7, "seen": [1]}, None]
    assert make()[0].checkpoint is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": object()}, "the checkpoint is not JSON: checkpoint\\['a'\\] is of type object"),
        ("x" * PAYLOAD_LIMIT, "the checkpoint is too large"),
    ],
)
def test_checkpoints_that_cannot_be_kept(value, message):
    job, hold = make()
    with pytest.raises(NotJson, match=message):
        job.checkpoint = value
    assert hold.checkpoints == []


def test_the_api_is_made_once_and_when_needed():
    made = []
    job, hold = make()

    def connect():
        made.append(1)
        return Server()

    hold._connect = connect
    assert made == []
    threads = [threading.Thread(target=lambda: job.api) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert job.api is job.api
    assert made == [1]


def test_cimi_job_and_context():
    job, _ = make({"payload": "{}"}, server=Server())
    assert isinstance(job.cimi_job, CimiResource)
    assert (job.cimi_job.id, job.cimi_job.data["payload"]) == ("job/1", "{}")
    assert set(job.cimi_job.operations) == {"edit", "delete", "cancel", "get-context"}
    assert job.context == {"deployment/1": {"id": "deployment/1"}}


def test_acting_as_the_user():
    authn = {"user-id": "user/1", "active-claim": "group/a", "claims": ["group/a", "group/nuvla-user"]}
    job, _ = make({"payload": json.dumps({"authn-info": authn})}, server=Server())
    api = job.get_user_api()
    assert isinstance(api, Api)
    assert api.endpoint == Server.endpoint
    assert api.session.authn_header == "user/1 group/a group/a group/nuvla-user"
    assert not api.session.verify
    assert not api.session.persist_cookie


def test_interrupted():
    job, hold = make()
    assert not job.interrupted
    hold.interrupted.set("deleted")
    assert job.interrupted
    assert job.interrupted.reason == "deleted"
    assert issubclass(Interrupted, BaseException)


def test_one_text_is_not_taken_for_its_letters():
    job = job_of()
    job.add_affected_resources("module/1")
    job.add_nested_jobs("job/2")
    assert job["affected-resources"] == [{"href": "module/1"}]
    assert job["nested-jobs"] == ["job/2"]
