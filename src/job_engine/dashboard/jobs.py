"""The list of jobs: newest first, by state and filter."""

import re
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import formatting, record
from job_engine.dashboard.page import render
from job_engine.dashboard.visitor import Visitor
from job_engine.job.bulk_message import found
from job_engine.job.errors import Invalid
from job_engine.job.states import State

JOBS_PER_PAGE: Final = 50
"""Jobs on a page: a few screens, and a few milliseconds."""
ROW_ATTRIBUTES: Final = (
    *("state", "action", "name", "target-resource", "progress", "status-message", "created", "started", "duration"),
    "not-before",
)
"""The attributes that a row shows."""
HOVER_CHARACTERS: Final = 1000
"""Characters of a message that the tooltip of its line shows."""


SEARCHED_ATTRIBUTES: Final = ("action", "fulltext", "target-resource/href")
"""Where words are looked for; ``fulltext`` is id, name, description and tags. No filter reaches the messages."""
SEARCH_WORDS: Final = 20
"""Words of a search that count."""

_COMPARES = re.compile(r"[=<>]")
_UNQUOTED = re.compile(r"[^\\'\"\s]+")


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job in the list; of some jobs a visitor sees little more than the id."""

    id: str
    state: str
    action: str
    about: str  # the target resource, else the job's name
    message: str
    whole: str  # the message, but in one line
    progress: int | None  # None: it says nothing
    created: str | None
    started: str | None
    since: str | None  # since when it has been running
    took: int | None  # seconds
    due: str | None  # when it may run

    @classmethod
    def of(cls, job: dict[str, Any]) -> "JobRow":
        """The row of a document."""
        state, message, started = job.get("state", ""), job.get("status-message", ""), job.get("started")
        result = found(message)
        said = message if result is None else result.sentence
        running, queued = state == State.RUNNING, state == State.QUEUED
        progress = job.get("progress", 0)
        return cls(
            job["id"],
            state,
            formatting.one_line(job.get("action") or job["id"]),
            job["target-resource"]["href"] if "target-resource" in job else formatting.one_line(job.get("name")),
            formatting.one_line(said),
            formatting.plain(said[:HOVER_CHARACTERS]),
            progress if running or (queued and progress) else None,
            job.get("created"),
            started,
            started if running else None,
            job.get("duration") if started and not running and not queued else None,
            job.get("not-before") if queued else None,
        )


async def show(request: Request) -> Response:
    """``GET /?state=S&filter=F&page=N``."""
    visitor: Visitor = request.state.visitor
    asked = request.query_params
    text = " ".join(asked.get("filter", "").split())
    state = asked.get("state", "")
    state = state if state in State.__members__ else ""
    page = _page(asked.get("page", ""))
    problem = ""
    wanted = filter_of(text)
    try:
        counts = await _counts(visitor, wanted)
        found = await record.get(
            visitor,
            "job",
            filter=_all_of(wanted, state),
            select=",".join(ROW_ATTRIBUTES),
            orderby="created:desc",
            first=(page - 1) * JOBS_PER_PAGE + 1,
            last=page * JOBS_PER_PAGE,
        )
    except Invalid as error:
        problem, counts, found = formatting.one_line(error.message), {}, {"count": 0, "resources": []}
    last = min(page * JOBS_PER_PAGE, found["count"])
    return render(
        request,
        "jobs.html",
        jobs=[JobRow.of(job) for job in found["resources"]],
        matching=found["count"],
        states=list(State),
        counts=counts,
        total=sum(counts.values()),
        state=state,
        filter=text,
        problem=problem,
        first=(page - 1) * JOBS_PER_PAGE + 1,
        last=last,
        newer=_link(text, state, page - 1) if page > 1 else None,
        older=_link(text, state, page + 1) if last < found["count"] else None,
        links={name: _link(text, name) for name in ("", *State)},
        submit=visitor.command("submit noop --wait"),
        unfiltered=_link("", state),
        commands=_commands(visitor, _all_of(wanted, state)),
    )


def filter_of(text: str) -> str:
    """What is typed into the search box as a filter: a text that compares nothing is words that a job must have."""
    if _COMPARES.search(text):
        return text
    words = _UNQUOTED.findall(text)[:SEARCH_WORDS]
    return " and ".join("(" + " or ".join(f"{name}=='{word}*'" for name in SEARCHED_ATTRIBUTES) + ")" for word in words)


async def _counts(visitor: Visitor, text: str) -> dict[str, int]:
    """How many jobs match the filter, by state."""
    found = await record.get(visitor, "job", filter=text or None, last=0, aggregation="terms:state")
    return {bucket["key"]: bucket["doc_count"] for bucket in found["aggregations"]["terms:state"]["buckets"]}


def _all_of(text: str, state: str) -> str | None:
    """The filter that asks for a state too."""
    chosen = f"state='{state}'" if state else ""
    return f"({text}) and {chosen}" if text and chosen else text or chosen or None


def _page(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    return max(number, 1)


def _link(text: str, state: str, page: int = 1) -> str:
    """The same list otherwise, as a link below the root."""
    query = formatting.query(state=state, filter=text, page=page if page > 1 else 0)
    return f"?{query}" if query else ""


def _commands(visitor: Visitor, text: str | None) -> list[tuple[str, str]]:
    """How to ask the same in a terminal."""
    here = [visitor.command("jobs")]
    url = formatting.quoted(f"{visitor.api.settings.base}/api/job")
    anywhere = ['curl -b "$COOKIE" -G', url, f"-d orderby=created:desc -d last={JOBS_PER_PAGE}"]
    if text is not None:
        here += ["--filter", formatting.quoted(text)]
        anywhere += ["--data-urlencode", formatting.quoted(f"filter={text}")]
    return [("the command line", " ".join(here)), ("curl", " ".join(anywhere))]
