"""Conditions as SQL: the truth table, and the same answers as the plain evaluator on random documents."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from job_engine.api import acl
from job_engine.api.filter import parse
from job_engine.job.document import new_job
from job_engine.job.errors import Invalid
from job_engine.store import access, deadline, documents, jobs, resources, schema
from job_engine.store.aggregations import ALGORITHMS
from job_engine.store.columns import JOBS, resources_of
from job_engine.store.conditions import And, Comparison, Condition, Moment, Or
from job_engine.store.counts import Counts
from job_engine.store.matching import matches
from job_engine.store.query import Page
from job_engine.store.transaction import Transaction

NOW = 1795561501.042  # 2026-11-24T23:05:01.042Z
OWN = acl.owned_by("user/me")


@pytest.fixture
def record() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.prepare(connection)
        yield connection


def add_jobs(connection: sqlite3.Connection, *sent: dict[str, Any]) -> list[str]:
    tx = Transaction(connection, {}, lambda seq, attempt: attempt)
    return jobs.add(tx, [new_job(d, created_by="user/me", acl=acl.normal(d.get("acl", OWN)), now=NOW) for d in sent])


def found(connection: sqlite3.Connection, text: str, **page: Any) -> list[str]:
    answer = documents.search_jobs(connection, Page(parse(text), limit=100, **page), NOW, Counts())
    assert answer.count == len(answer.documents)
    return [document.get("name", "") for document, _ in answer.documents]


ONE = {
    "name": "one",
    "action": "fetch",
    "progress": 10,
    "priority": 7,
    "tags": ["x", "y"],
    "return-code": 3,
    "target-resource": {"href": "deployment/1", "kind": "big"},
    "affected-resources": [{"href": "a/1"}, {"href": "a/2"}],
    "status-message": "busy",
    "expiry": "2026-11-24T12:00:00Z",
    "retries": 2,
    "parent-job": "job/1",
}
TWO = {"name": "two", "action": "fetch-more", "priority": 100, "timeout": 1.5}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name='one'", ["one"]),
        ("name!='one'", ["two"]),
        ("action^='fetch'", ["one", "two"]),
        ("action^='fetch-'", ["two"]),
        ("return-code=3", ["one"]),
        ("return-code!=3", ["two"]),  # absent
        ("return-code=null", ["two"]),
        ("return-code!=null", ["one"]),
        ("return-code='3'", ["one"]),
        ("priority<100", ["one"]),
        ("99<priority", ["two"]),
        ("priority='7' or priority>=100", ["one", "two"]),
        ("tags='x'", ["one"]),
        ("tags!='x'", ["two"]),
        ("tags=['z' 'y']", ["one"]),
        ("tags=null", ["two"]),
        ("tags=[]", []),
        ("tags!=[]", ["one", "two"]),
        ("target-resource/href='deployment/1'", ["one"]),
        ("target-resource/href^='deployment/'", ["one"]),
        ("target-resource/kind='big'", ["one"]),
        ("target-resource='deployment/1'", []),
        ("target-resource!=null", ["one"]),
        ("affected-resources/href='a/2'", ["one"]),
        ("affected-resources/href=['a/9' 'deployment/1']", ["one"]),
        ("affected-resources/href=null", ["two"]),
        ("status-message='busy'", []),
        ("status-message=null", ["one", "two"]),
        ("nonsense=null", ["one", "two"]),
        ("nonsense='x'", []),
        ("nonsense!='x'", ["one", "two"]),
        ("nonsense/deep/er='x'", []),
        ("retries=2", ["one"]),
        ("retries>'1'", ["one"]),
        ("timeout>1", ["two"]),
        ("parent-job='job/1'", ["one"]),
        ("state='QUEUED'", ["one", "two"]),
        ("state!='QUEUED'", []),
        ("state=['RUNNING' 'QUEUED'] and name='two'", ["two"]),
        ("state='QUEUED' or name='nobody'", ["one", "two"]),
        ("action=7", []),
        ("action=true", []),
        ("progress=true", []),
        ("progress=false", []),
        ("resource-type='job'", ["one", "two"]),
        ("acl/owners='user/me'", ["one", "two"]),
        ("attempt=null", ["one", "two"]),
        ("created-by='user/me'", ["one", "two"]),
        # dates
        ("expiry=2026-11-24", ["one"]),
        ("expiry='2026-11'", ["one"]),
        ("expiry='2026-11-24T12'", ["one"]),
        ("expiry='2026-11-24T13:00+01:00'", ["one"]),
        ("expiry=2026-11-25", []),
        ("expiry<2026-11-24", []),
        ("expiry<=2026-11-24", ["one"]),
        ("expiry>2026-11-24", []),
        ("expiry>=2026-11-24", ["one"]),
        ("expiry!=2026-11-24", ["two"]),
        ("expiry<'now' and expiry>'now-1d'", ["one"]),
        ("expiry='now/d'", ["one"]),
        ("expiry>'now+1M-30d'", []),
        ("expiry='1795521600000'", ["one"]),
        ("created='now/s'", ["one", "two"]),
        ("created<='now' and created>='now'", ["one", "two"]),
        ("created>'now'", []),
        ("created^='2026-11-24T23'", ["one", "two"]),
        ("expiry=['2026-11' 'now']", ["one"]),
        ("not-before=null", ["one", "two"]),
        # full text
        ("action=='FETCH'", ["one", "two"]),
        ("action=='fetch more'", ["two"]),
        ("action=='mor*'", ["two"]),
        ("action=='etch'", []),
        ("action=='fetch' and name=='t*'", ["two"]),
        ("tags=='X'", ["one"]),
        ("tags=='*'", ["one"]),
        ("name==''", []),
        ("name=='%'", []),
        ("target-resource/href=='deployment'", ["one"]),
        ("affected-resources/href=='2'", ["one"]),
        ("priority=='7'", []),
        ("created=='2026'", ["one", "two"]),
        ("fulltext=='job'", ["one", "two"]),
        ("fulltext=='two'", ["two"]),
        ("fulltext=='y one'", ["one"]),
        ("fulltext=='fetch'", []),
        ("fulltext='one'", []),
    ],
)
def test_truth(record: sqlite3.Connection, text: str, names: list[str]) -> None:
    ids = add_jobs(record, ONE, TWO)
    record.execute("update job set progress = 10, return_code = 3 where id = ?", (ids[0],))
    assert found(record, text) == names
    # the plain evaluator says the same of the documents
    kinds = {name: column.kind for name, column in JOBS.columns.items() if column.kind in ("date", "number")}
    every = documents.search_jobs(record, Page(limit=10), NOW, Counts()).documents
    if "status-message" not in text:
        assert [d["name"] for d, _ in every if matches(parse(text), d, kinds, NOW)] == names


@pytest.mark.parametrize(
    "text",
    ["progress='abc'", "priority<'x'", "created='yesterday'", "expiry>'now-1x'", "created<'2026-13'", "retries='a'"],
)
def test_what_can_never_be_is_refused(record: sqlite3.Connection, text: str) -> None:
    with pytest.raises(Invalid, match=r"Invalid CIMI filter\."):
        found(record, text)


def test_order(record: sqlite3.Connection) -> None:
    add_jobs(
        record,
        {"action": "b", "name": "1", "return-code": 5, "retries": 1},
        {"action": "a", "name": "2"},
        {"action": "b", "name": "3", "retries": 2},
    )
    names = lambda *order: found(record, "name!=null", order=order)  # noqa: E731
    assert names() == ["1", "2", "3"]
    assert names(("created", True)) == ["3", "2", "1"]
    assert names(("action", False), ("name", True)) == ["2", "3", "1"]
    assert names(("retries", False)) == ["1", "3", "2"]
    assert names(("retries", True)) == ["3", "1", "2"]  # missing last, in both directions
    assert names(("acl.owners", False), ("status-message", False), ("name", False)) == ["1", "2", "3"]


def test_visibility(record: sqlite3.Connection) -> None:
    add_jobs(
        record,
        {"action": "a", "name": "mine"},
        {"action": "a", "name": "seen", "acl": {"owners": ["user/other"], "view-meta": ["group/us"]}},
        {"action": "a", "name": "hidden", "acl": {"owners": ["user/other"]}},
    )
    us = ["user/me", "group/us"]
    assert found(record, "action='a'", claims=us, level=access.META) == ["mine", "seen"]
    assert found(record, "action='a'", claims=us, level=access.DATA) == ["mine"]
    assert found(record, "action='a'", claims=["group/nuvla-anon"]) == []
    assert found(record, "action='a' or action='b'", claims=["group/us"], level=access.META) == ["seen"]
    assert found(record, "action='a'", claims=None) == ["mine", "seen", "hidden"]


def test_long_filters(record: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "SEARCH", float("inf"))  # the machine may be busy
    ids = add_jobs(record, ONE, TWO)
    text = " or ".join(f"id='job/{n}'" for n in range(3000))
    assert found(record, f"{text} or id='{ids[1]}'") == ["two"]
    assert found(record, "id=[" + " ".join(f"'job/{n}'" for n in range(5000)) + f" '{ids[0]}']") == ["one"]


def test_aggregations(record: sqlite3.Connection) -> None:
    add_jobs(
        record,
        *(
            {"action": a, "priority": p, "tags": t}
            for a, p, t in (("x", 1, ["a", "b"]), ("x", 2, ["b"]), ("y", 6, ["b"]))
        ),
        {"action": "y", "priority": 3},
    )
    names = [
        "min:priority",
        "max:priority",
        "sum:priority",
        "avg:priority",
        "value_count:tags",
        "cardinality:tags",
        "stats:priority",
        "extendedstats:priority",
        "missing:tags",
        "terms:action",
        "terms:tags",
        "percentiles:priority",
        "stats:retries",
        "extendedstats:retries",
        "percentiles:retries",
        "unknown:priority",
        "terms:created",
        "missing:state",
    ]
    figures = documents.search_jobs(record, Page(), NOW, Counts(), aggregations=names).aggregations
    assert figures["min:priority"] == {"value": 1}
    assert figures["max:priority"] == {"value": 6}
    assert figures["sum:priority"] == {"value": 12.0}
    assert figures["avg:priority"] == {"value": 3.0}
    assert figures["value_count:tags"] == {"value": 4}
    assert figures["cardinality:tags"] == {"value": 2}
    assert figures["stats:priority"] == {"count": 4, "min": 1, "max": 6, "avg": 3.0, "sum": 12.0}
    extended = figures["extended_stats:priority"]
    assert (extended["sum_of_squares"], extended["variance"]) == (50.0, 3.5)
    assert figures["missing:tags"] == {"doc_count": 1}
    assert figures["missing:state"] == {"doc_count": 0}
    assert figures["terms:action"]["buckets"] == [{"key": "x", "doc_count": 2}, {"key": "y", "doc_count": 2}]
    assert figures["terms:tags"]["buckets"] == [{"key": "b", "doc_count": 3}, {"key": "a", "doc_count": 1}]
    assert figures["percentiles:priority"]["values"]["50.0"] == 2.5
    assert figures["percentiles:retries"]["values"]["50.0"] is None
    assert figures["stats:retries"] == {"count": 0, "min": None, "max": None, "avg": None, "sum": 0.0}
    assert figures["terms:created"]["buckets"][0]["key"] == 1795561501042
    assert "unknown:priority" not in figures
    with pytest.raises(Invalid, match="needs numbers"):
        documents.search_jobs(record, Page(), NOW, Counts(), aggregations=["avg:action"])


@pytest.mark.parametrize("values", [[1.7e308] * 3, [1.7e308, -1.7e308], [1e200, 2], [2**63, 10**40, -(10**40)]])
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_figures_of_huge_numbers(record: sqlite3.Connection, algorithm: str, values: list[float]) -> None:
    target = {"href": "deployment/1"}
    add_jobs(record, *({"action": "x", "target-resource": {**target, "size": value}} for value in values))
    name = f"{algorithm}:target-resource/size"
    figures = documents.search_jobs(record, Page(), NOW, Counts(), aggregations=[name]).aggregations
    assert len(json.loads(msgspec.json.encode(figures))) == 1


# ------------------------------------------------------------------------------------------------- random documents

texts = st.sampled_from(
    ["", "a", "ab", "abc", "10", "10.5", "-1", "true", "false", "null", "é", "Ω\U0001f600", "a'b\"c\\", "%_"]
)
numbers = st.sampled_from([0, 1, 10, -1, 2.5, 10.5, 2**40])
moments = st.sampled_from(["2026-11-24T00:00:00.000Z", "2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00.000Z"])
leaves = texts | numbers | st.booleans() | st.none()
names = st.sampled_from(["a", "b", "c-d", "@e"])
queries = texts | st.sampled_from(["A", "aB*", "a b*", "É", "ω*", "*", "2026", "t00*", "thing", "10 1", "[a-z]", "^a"])
titles = texts | st.sampled_from(["Ab 10", "é-a", "a[b]^c", "*?"])
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3), max_leaves=6)
things = st.builds(
    lambda free, titled, expiry: {**free, **titled, **({"expiry": expiry} if expiry else {})},
    st.dictionaries(names, values, max_size=4),
    st.fixed_dictionaries(
        {}, optional={"name": titles, "description": titles, "tags": st.lists(titles, max_size=2, unique=True)}
    ),
    st.none() | moments,
)
dates = st.sampled_from(["2026-11-24", "now", "now-1d/d", "2026", "1795478400000", "2026-11-24T23:59:59.999Z"])
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
spans = st.sampled_from([Moment(1795478400000, 1795564799999), Moment(1795564799999, 1795564799999)])
operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
integers = st.sampled_from([0, 1, 10, 2**31 - 1])
comparisons = (
    st.builds(Comparison, paths, operators, texts | integers | spans)
    | st.builds(Comparison, paths, st.just("^="), texts)
    | st.builds(Comparison, paths | st.just(("expiry",)), st.just("=="), queries)
    | st.builds(Comparison, st.just(("fulltext",)), st.just("=="), queries)
    | st.builds(Comparison, paths, st.sampled_from(["=", "!="]), st.none() | st.booleans())
    | st.builds(
        Comparison, paths, st.sampled_from(["=", "!="]), st.lists(texts | integers | spans, max_size=3).map(tuple)
    )
    | st.builds(Comparison, st.just(("expiry",)), operators, dates | spans)
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    comparisons,
    lambda inner: (
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=5,
)


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(things, min_size=1, max_size=4), condition=conditions)
def test_the_database_agrees_with_the_evaluator(
    record: sqlite3.Connection, sent: list[dict[str, Any]], condition: Condition
) -> None:
    record.execute("delete from resource")
    tx = Transaction(record, {}, lambda seq, attempt: attempt)
    kept = [{**thing, "id": f"thing/{n}", "resource-type": "thing", "acl": OWN} for n, thing in enumerate(sent)]
    resources.add(tx, kept)
    expected = [d["id"] for d in kept if matches(condition, d, resources_of("thing").kinds, NOW)]
    answer = documents.search_resources(record, "thing", Page(condition, limit=10), NOW, Counts())
    assert [document["id"] for document, _ in answer.documents] == expected
    assert answer.count == len(expected)
