"""What upstream's classes say by the exceptions that they raise; stand-ins have upstream's names."""

import logging
import sys
from types import ModuleType

import pytest

from job_engine.actions import output as captured
from job_engine.actions.action import Action
from job_engine.actions.interruption import LOST
from job_engine.actions.outcome import DETACHED, FINISHED, RELEASED
from job_engine.actions.output import OutputPolicy
from job_engine.actions.run import run
from job_engine.testing import run_action
from job_engine.testing.hold import NotingHold
from tests.unit.actions.samples import job_of, nuvla

BULK_ACTION = "nuvla.job_engine.job.actions.utils.bulk_action"
JOB = "nuvla.job_engine.job.job"


@pytest.fixture
def raised(monkeypatch):
    """Makes upstream's exceptions, as if upstream's modules were imported."""

    def make(module: str, name: str) -> type[Exception]:
        there = ModuleType(module)
        monkeypatch.setitem(sys.modules, module, there)
        there.__dict__[name] = cls = type(name, (Exception,), {"__module__": module})
        return cls

    return make


@pytest.mark.parametrize("document", [{}, {"execution-mode": "mixed"}, {"retries": 3}])
def test_an_unfinished_bulk_action_leaves_the_job_running(raised, document):
    unfinished = raised(BULK_ACTION, "UnfinishedBulkActionToMonitor")
    hold = NotingHold()

    def do_work(self):
        self.job.update_job(tags=["monitor"])
        raise unfinished

    cls = nuvla(do_work, lambda self, job: setattr(self, "job", job))
    outcome = run(Action(cls, "bulk_x"), job_of("bulk_x", hold, **document))
    assert (outcome.kind, outcome.output) == (DETACHED, None)
    assert hold.changes == [{"tags": ["monitor"]}]
    assert run_action(cls, document=document).state == "RUNNING"


def test_what_goes_to_output():
    """Nuvla's classes log secrets, and everybody who sees a job reads its output."""

    def talks():
        print("printed")
        logging.getLogger("library").warning("logged")
        return 0

    def said(action, policy):
        captured.install()
        try:
            return run(action, job_of("talks"), policy=policy).output
        finally:
            captured.uninstall()

    ours, theirs = Action(talks, "talks"), Action(nuvla(lambda self: talks()), "talks")
    both = "printed\nlogged"
    assert [said(ours, policy) for policy in OutputPolicy] == [None, "printed", both]
    assert [said(theirs, policy) for policy in OutputPolicy] == [None, None, both]


def test_a_refused_edit_gives_the_job_back(raised):
    refused = raised(JOB, "JobUpdateError")

    def do_work(self):
        raise refused

    outcome = run(Action(nuvla(do_work), "x"), job_of())
    assert (outcome.kind, outcome.message) == (RELEASED, LOST)


def test_a_class_of_the_same_name_is_an_exception_like_others(raised):
    raised(BULK_ACTION, "UnfinishedBulkActionToMonitor")

    class UnfinishedBulkActionToMonitor(Exception):
        pass

    def do_work(self):
        raise UnfinishedBulkActionToMonitor

    outcome = run(Action(nuvla(do_work), "x"), job_of())
    assert (outcome.kind, outcome.state) == (FINISHED, "FAILED")
