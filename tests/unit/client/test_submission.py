import json
import math
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from job_engine.actions.job import Job
from job_engine.client import Client, JobHandle, submission
from job_engine.client.discovery import Found
from job_engine.client.endpoint import Credentials
from job_engine.client.submission import Options, documents, key_header, slices
from job_engine.job.attend import Granted
from job_engine.job.attributes import PAYLOAD_LIMIT
from job_engine.job.document import new_job
from job_engine.job.errors import Invalid
from job_engine.testing.hold import NotingHold


def one(payload=None, *, extended=True, **options):
    (found,) = documents("noop", [payload], Options(**options), extended=extended)
    return found


def test_every_option_becomes_an_attribute_that_the_record_takes():
    found = one(
        {"n": 1},
        target="thing/1",
        priority=5,
        not_before=datetime(2030, 1, 1, tzinfo=UTC),
        retries=3,
        timeout="10m",
        key="k",
        name="a name",
        description="text",
        parent="job/1-2",
        tags=["a"],
        mode="mixed",
    )
    assert found == {
        "action": "noop",
        "payload": '{"n":1}',
        "target-resource": {"href": "thing/1"},
        "priority": 5,
        "not-before": "2030-01-01T00:00:00.000Z",
        "retries": 3,
        "timeout": 600.0,
        "name": "a name",
        "description": "text",
        "parent-job": "job/1-2",
        "tags": ["a"],
        "execution-mode": "mixed",
    }
    new_job(found, created_by="user/1", acl={"owners": ["user/1"]}, now=0.0)


def test_a_running_job_stands_for_itself_as_a_handle_does():
    job = Job(Granted(1, 1, "job/1-2", "noop", Raw(b"{}")), NotingHold())
    options = Options.of({"parent": job, "after": job})
    assert (options.parent, options.after) == ("job/1-2", ["job/1-2"])
    assert Options.of({"after": [job, "job/3"]}).after == ["job/1-2", "job/3"]


def test_what_is_not_given_is_not_sent():
    assert one() == one(extended=False) == {"action": "noop"}


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5))
def test_a_payload_comes_back(payload):
    found = one({"x": payload})
    assert json.loads(found["payload"]) == {"x": payload}


def test_paths_are_texts_as_in_results():
    assert one({"root": Path("/usr")})["payload"] == '{"root":"/usr"}'


@pytest.mark.parametrize("payload", [{"x": object()}, {1j: 2}, {"x": math.inf}])
def test_a_payload_that_json_cannot_say_is_refused(payload):
    with pytest.raises(Invalid, match="payload"):
        one(payload)


def test_each_request_has_a_key_of_its_own_and_a_given_one_makes_the_same_keys_again():
    fresh = [key_header(Options(), part)["idempotency-key"] for part in (0, 0, 1)]
    assert len(set(fresh)) == 3
    given_key = [key_header(Options(key="été k"), part)["idempotency-key"] for part in (0, 1, 1)]
    assert given_key == ["%C3%A9t%C3%A9%20k", "%C3%A9t%C3%A9%20k/1", "%C3%A9t%C3%A9%20k/1"]


@pytest.mark.parametrize("options", [{"retries": 1}, {"timeout": 3}, {"delay": 3}, {"key": "k"}])
def test_a_server_without_extensions_is_not_sent_any(options):
    with pytest.raises(Invalid, match="does not know"):
        one(extended=False, **options)


def test_wrong_options_are_refused():
    with pytest.raises(Invalid, match="not both"):
        one(delay=1, not_before=1)
    with pytest.raises(Invalid, match="duration"):
        one(timeout="soon")
    with pytest.raises(Invalid, match="action"):
        list(documents(" ", [None], Options(), extended=True))


@given(st.lists(st.integers(0, 60), max_size=40))
def test_slices_keep_the_order_and_the_bounds(sizes):
    limit, most = 100, 4
    found = [{"p": "x" * size} for size in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submission, "SLICE", most)
        patch.setattr(submission, "SLICE_BYTES", limit)
        parts = list(slices(found))
    assert [json.loads(each) for part in parts for each in part] == found
    assert all(0 < len(part) <= most for part in parts)
    assert all(len(part) == 1 or sum(map(len, part)) <= limit + len(part) for part in parts)


def test_one_tag_by_itself_is_one_tag():
    assert one(tags="night")["tags"] == ["night"]


def test_a_time_without_zone_is_refused_because_it_means_two_things():
    with pytest.raises(Invalid, match="no time zone"):
        one(not_before=datetime(2030, 1, 1, tzinfo=UTC).replace(tzinfo=None))


def test_what_the_server_would_refuse_is_refused_before_it_is_sent():
    with pytest.raises(Invalid, match="payload is too large"):
        one("x" * PAYLOAD_LIMIT)
    with pytest.raises(Invalid, match="payload\\['n'\\] is nan"):
        one({"n": math.nan})


def test_handles_can_be_pickled():
    found = Found("http://127.0.0.1:1", Credentials(username="admin", password="secret"))
    with Client.of(found, timeout=3.0) as client:
        handles = [JobHandle(client, "job/1", {"state": "SUCCESS", "result": 4}), JobHandle(client, "job/2")]
        first, second = (pickle.loads(pickle.dumps(handle)) for handle in handles)
    assert (first, second) == tuple(handles)
    assert first.wait() == 4
    assert first._client is second._client
    assert first._client.found == found


def test_a_delay_is_counted_by_the_clock_of_the_server():
    """The client's clock may be an hour wrong: nothing of it is in what is sent."""
    found = one(delay="10m")
    assert found["not-before"] == "+600.0s"
    job = new_job(found, created_by="user/1", acl={"owners": ["user/1"]}, now=1.8e9)
    assert job.not_before == "2027-01-15T08:10:00.000Z"
    with pytest.raises(Invalid, match=r"attribute 'not-before' .* is not a duration"):
        new_job({"action": "noop", "not-before": "+soon"}, created_by="u/1", acl={"owners": ["u/1"]}, now=0.0)
