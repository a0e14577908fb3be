"""Patterns and numbers that see a caller's text: what they cost grows with its length, never faster.

They run in a process that may use some seconds of processor time: it is killed by what is quadratic in a megabyte.
"""

import resource
import subprocess
import sys
from typing import Final

import pytest

from job_engine.job.attributes import NAME_LIMIT, checked
from job_engine.job.errors import Invalid

CPU_SECONDS: Final = 10
"""What the whole costs is two; a single pattern that is quadratic takes minutes."""

SCRIPT: Final = r"""

import asyncio
from types import SimpleNamespace

from starlette.requests import Request

from job_engine.api import call, groups, identity, jobs, parameters
from job_engine.api.filter import parse
from job_engine.dashboard import family, formatting, signing
from job_engine.dashboard.jobs import filter_of
from job_engine.dashboard.visitor import Visitor
from job_engine.job import attributes, nodes, times
from job_engine.job.document import new_job
from job_engine.job.errors import Invalid, JobEngineError
from job_engine.store import filter_times, query, full_text
from job_engine.store.jobs.add import Added, Refusal

MANY = 200_000
LIMIT = 64 << 10  # characters of a head, and of a filter
TEXTS = {
    "digits": "1" * MANY, "zeros": "0." + "0" * MANY, "letters": "a" * MANY, "dashes": "a" + "-a" * (MANY // 2),
    "durations": "1h" * (MANY // 2) + "1", "job": "job/" + "a-" * (MANY // 2), "dots": "a/" * (MANY // 2),
    "now": "now" + "+1y-1y" * (MANY // 6), "escapes": "\x1b[0" * (MANY // 3), "links": "\x1b]" * (MANY // 2),
    "backslashes": "\\" * MANY, "quotes": '"' * MANY, "blanks": " " * MANY + "x",
    "fractions": "2026-11-24T23:05:01." + "1" * MANY,
}

def of_seconds(text):
    made = call.Call(None, {"query_string": b"wait=" + text[:LIMIT].encode()}, None, {}, "", identity.ANONYMOUS)
    made.seconds("wait", 20.0)

API = SimpleNamespace(identities=identity.Identities(None, "key", ()), settings=SimpleNamespace(trust_proxy=()))

def of_cookie(text):
    cookie = f'{identity.COOKIE}="{text[:LIMIT]}"'.encode()
    scope = {"type": "http", "method": "GET", "headers": [(b"cookie", cookie)]}
    scope["app"] = SimpleNamespace(state=SimpleNamespace(api=API))
    asyncio.run(Visitor.of(Request(scope)))

TAKES = {
    "seconds": times.seconds,
    "epoch": times.epoch,
    **{name: lambda text, name=name: attributes.checked(name, text)
       for name in ("timeout", "not-before", "expiry", "parent-job", "parent", "action", "state", "description")},
    "acl": lambda text: attributes.checked("acl", {"owners": [text]}),
    "group": lambda text: groups.group_id(text, "group"),
    "wait": of_seconds,
    "cookie": of_cookie,
    "filter": lambda text: parse(text[:LIMIT]),
    "filter's text": lambda text: parse(f"a='{text[:LIMIT - 10]}'"),
    "first": lambda text: parameters.parameters([("first", text), ("last", text), ("orderby", text)]),
    "moment": lambda text: filter_times.interval(text[:LIMIT], 0.0),
    "number": query.NUMERIC.fullmatch,
    "words": lambda text: full_text.problem(text[:LIMIT]),
    "nodes": lambda text: nodes.limited(("," * 10 + '"' + text).encode(), "it", 5),
    "nodes of escapes": lambda text: nodes.limited((',"' + text.replace("a", '\\"')).encode(), "it", 1),
    "place": lambda text: jobs._resolved(["#" + text], []),
    "message": lambda text: jobs._with_places(text, {}),
    "page": lambda text: signing._next(text[:LIMIT]),
    "plain": formatting.plain,
    "search": lambda text: filter_of(text[:LIMIT]),
    "family": family._PLAIN.fullmatch,
}
jobs_ = [new_job({"action": "x"}, created_by="user/x", acl={}, now=0.0) for _ in range(10_000)]
refused = {n: Refusal(Invalid(f"job/none is not there, nor {job.id}")) for n, job in enumerate(jobs_)}
print("the answer to 10,000 refused jobs", flush=True)
answer = jobs.answer_of_each(jobs_, Added([], refused))
assert answer["jobs"][7]["message"] == "job/none is not there, nor #7"
for what, take in TAKES.items():
    for kind, text in TEXTS.items():
        print(what, "of", kind, flush=True)
        try:
            take(text)
        except JobEngineError as error:
            assert len(error.message) < 1000, (what, kind, len(error.message))
"""


def _few_seconds() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def test_what_sees_a_callers_text_is_linear() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], preexec_fn=_few_seconds, capture_output=True, text=True, check=False
    )
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"{last} ended it: {done.stderr[-2000:]}"


def test_names_have_a_length() -> None:
    for name, value in (("parent", "a" * NAME_LIMIT), ("parent-job", "job/" + "a" * (NAME_LIMIT - 4))):
        assert checked(name, value) == value
        with pytest.raises(Invalid):
            checked(name, value + "a")
