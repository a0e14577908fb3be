"""What ``doctor`` says of distributions, by their documents."""

import time
from typing import Any

import click

from job_engine.cli.checks import engine as checks_engine
from job_engine.job.times import iso


def said(**known: Any) -> list[tuple[str, str]]:
    now = time.time()
    document = {"name": "nightly", "paused": False, "heard": iso(now), "next-tick": iso(now + 60), **known}
    with click.Context(click.Command("doctor")):
        return [(found.outcome, found.detail) for found in checks_engine._distributions([document])]


def test_one_that_is_well():
    assert said() == [("ok", "1, none late, paused or failing")]


def test_one_that_no_distributor_tells_of():
    ((outcome, detail),) = said(heard=iso(time.time() - 630))
    assert outcome == "fail"
    assert detail.startswith("nightly makes no jobs: no distributor with it was heard of for 10 min; start one")


def test_one_that_is_late_names_its_leader():
    ((outcome, detail),) = said(**{"next-tick": iso(time.time() - 150), "leader": "left-hand"})
    assert outcome == "fail"
    assert detail == "nightly is 2 min late; see its last error, and the log of left-hand"


def test_one_that_fails_says_how():
    ((outcome, detail),) = said(**{"last-error": "ValueError: no such table\nmore"})
    assert (outcome, detail) == ("warn", "nightly failed the last time: ValueError: no such table")


def test_one_that_is_paused_names_the_command_that_resumes_it():
    ((outcome, detail),) = said(paused=True, heard=iso(time.time() - 630))
    assert outcome == "warn"
    assert detail.endswith("distributions resume nightly")
