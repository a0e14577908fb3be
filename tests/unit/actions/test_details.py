"""What an executor tells of an action: enough to add a job of it without its source."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from job_engine import Job, action
from job_engine.actions.action import OF_CLASS
from job_engine.actions.details import details


class Colour(Enum):
    RED = "red"


class Rude:
    def __repr__(self):
        raise SystemExit


@action
def greet(job: Job, name: str, times: int = 1, *, note: str | None = None, **labels: str):
    """Greet somebody.

    More than once, if need be.
    """


@action
def many(
    path: Path, when: datetime, colour: Colour, mode: Literal["a", "b"], both: int | str, names: list[str], any_,
    deep: bool, percent: Annotated[int, msgspec.Meta(ge=0)], tags: dict[str, int],
):  # fmt: skip
    pass


@action
def raw(job: Job):
    """Reads the payload itself."""


@action
def rude(thing=Rude()):  # noqa: B008
    """A default whose repr() ends the process."""


@action
class Old:
    """As of Nuvla."""

    def do_work(self):
        pass


def test_parameters_are_as_a_signature_has_them_and_the_first_line_and_file_are_told():
    told = details(greet)
    assert (told.summary, told.file) == ("Greet somebody.", __file__)
    assert [(parameter.name, parameter.text, parameter.required) for parameter in told.parameters] == [
        ("name", "name: str", True),
        ("times", "times: int = 1", False),
        ("note", "note: str | None = None", False),
        ("**labels", "**labels: str", False),
    ]


def test_the_json_types_that_a_parameter_takes():
    told = [*details(greet).parameters, *details(many).parameters]
    assert {parameter.name: parameter.takes for parameter in told} == {
        "name": ["string"], "times": ["number"], "note": ["null", "string"], "**labels": ["string"],
        "path": ["string"], "when": ["string"], "colour": ["string"], "mode": ["string"],
        "both": ["number", "string"], "names": ["array"], "any_": [], "deep": ["boolean"], "percent": ["number"],
        "tags": ["object"],
    }  # fmt: skip


def test_of_a_class_and_of_what_reads_the_payload_no_parameters_are_known():
    (old,) = vars(Old)[OF_CLASS]
    assert (details(old).parameters, details(old).summary, details(old).file) == (None, "As of Nuvla.", __file__)
    assert details(raw).parameters is None


def test_what_cannot_be_had_is_left_out():
    assert details(rude).parameters is None
    assert details(rude).summary == "A default whose repr() ends the process."
