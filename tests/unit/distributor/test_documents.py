"""Documents go in batches that a transaction takes."""

from pathlib import Path

from job_engine.distributor import documents
from job_engine.distributor.documents import batches, encoded, summed_up


def test_parts(monkeypatch):
    assert list(batches([])) == [[]]
    monkeypatch.setattr(documents, "JOBS_PER_BATCH", 2)
    assert list(batches([b"1", b"2", b"3"])) == [[b"1", b"2"], [b"3"]]
    monkeypatch.setattr(documents, "BYTES_PER_BATCH", 5)
    assert list(batches([b"123", b"4567", b"x" * 99])) == [[b"123"], [b"4567"], [b"x" * 99]]


def test_encoding():
    jobs = [{"a": Path("/x")}, None, {"unless-active": False, "action": "b"}, {"action": "c", "d": object()}]
    good, places, bad = encoded(jobs, unless_active=True)
    assert good[:2] == [b'{"unless-active":true,"a":"/x"}', b'{"unless-active":false,"action":"b"}']
    assert places == ["job 1 of the tick", "job 3 of the tick (action b)"]
    assert bad == [
        "job 2 of the tick is NoneType None, not a document: use a dict or ACTION.job(...)",
        "job 4 of the tick (action c) cannot be written as JSON: object is not JSON",
    ]


def test_thousands_of_refusals_are_one_line():
    assert summed_up([]) is None
    assert summed_up(["a", "b"]) == "a; b"
    assert summed_up(["a"] * 1000) == "a; a; a; and 997 more"
