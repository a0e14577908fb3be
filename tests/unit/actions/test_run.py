"""Whatever an action does ends in a defined outcome with a message that says why."""

import asyncio

import msgspec
import pytest

from job_engine import Failed, Interrupted, Job, action
from job_engine.actions.action import Action
from job_engine.actions.bulk import BulkAction
from job_engine.actions.outcome import FINISHED, RELEASED, RETRY
from job_engine.actions.run import run
from job_engine.job.attend import Granted
from job_engine.job.retry import LONGEST
from job_engine.testing import run_action
from job_engine.testing.hold import NotingHold
from tests.unit.actions.samples import job_of, nuvla
from tests.unit.job.test_foreign import Exits, NoClass, Says

# success


def test_what_a_function_returns_is_the_result():
    @action
    def double(n: int):
        return {"twice": 2 * n}

    ran = run_action(double, n=4)
    assert (ran.state, ran.result, ran.return_code, ran.message) == ("SUCCESS", {"twice": 8}, 0, None)


def test_what_the_action_set_stays():
    @action
    def sets(job: Job):
        job.set_status_message("all well")
        job.set_return_code(7)

    ran = run_action(sets)
    assert (ran.state, ran.message, ran.return_code, ran.result) == ("SUCCESS", "all well", 7, None)


def test_async_functions_and_methods():
    @action
    async def later(job: Job, n: int):
        await asyncio.sleep(0)
        job.set_progress(50)
        return await asyncio.to_thread(lambda: n + 1)

    async def do_work(self):
        return 0

    assert run_action(later, n=1).result == 2
    assert run_action(nuvla(do_work)).state == "SUCCESS"


def test_an_async_action_in_an_async_test():
    @action
    async def one():
        return 1

    async def test():
        return run_action(one)

    assert asyncio.run(test()).result == 1


# what is refused before the action is entered


def test_unknown_action():
    outcome = run(None, job_of("nowhere"))
    assert (outcome.kind, outcome.state) == (FINISHED, "FAILED")
    assert outcome.message == "Not implemented action job/1: nowhere"


@pytest.mark.parametrize("version", [0, 1, 3, "two", None, "2.0"])
def test_other_versions(version):
    outcome = run(Action(lambda: 1, "x"), job_of(version=version))
    assert outcome.state == "FAILED"
    assert f"Job v{version} is not supported by Job engine v" in outcome.message


def test_no_version():
    job = Job(Granted(1, 1, "job/1", "x", msgspec.Raw(b"{}")), NotingHold())
    assert "Job v0 is not supported" in run(Action(lambda: 1, "x"), job).message


# exceptions


class NoMessage(Exception):
    def __str__(self):
        raise ValueError("no")


class Deep(Exception):
    pass


def test_retries_are_used_and_a_traceback_is_kept_whatever_the_exception_does():
    @action(retries=1)
    def exits():
        raise Exits

    ran = run_action(exits)
    assert (ran.state, ran.retry_after is not None) == ("QUEUED", True)
    assert ran.output.startswith("Traceback (most recent call last):\n")


def test_what_ends_a_bulk_element_may_do_anything():
    @action
    class Bulk(BulkAction):
        def get_todo(self):
            return ["a", "b"]

        def action(self, todo_el):
            if todo_el == "a":
                raise Exits

    ran = run_action(Bulk)
    assert "the text of this Exits cannot be had" in ran.message


def test_an_exception_fails_the_job_and_shows_where():
    @action
    def breaks():
        raise ValueError("no such tree: /x")

    ran = run_action(breaks)
    assert (ran.state, ran.return_code, ran.message) == ("FAILED", 1, "ValueError: no such tree: /x")
    assert ran.output.startswith("Traceback (most recent call last):\n")
    assert ran.output.endswith("\nValueError: no such tree: /x")
    assert "test_run.py" in ran.output
    assert "actions/run.py" not in ran.output
    assert ran.log[-1] == ("ERROR", "ValueError: no such tree: /x")


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit("x"), "GeneratorExit: x"),
        (RecursionError("deep"), "RecursionError: deep"),
        (MemoryError(), "MemoryError"),
        (StopIteration(3), "StopIteration: 3"),
        (
            BaseExceptionGroup("two", [KeyboardInterrupt(), ValueError()]),
            "BaseExceptionGroup: two (2 sub-exceptions): KeyboardInterrupt; ValueError",
        ),
        (asyncio.CancelledError(), "CancelledError"),
        (Interrupted("by nobody"), "Interrupted: by nobody"),
        (NoMessage(), "NoMessage: (the text of this NoMessage cannot be had: its __str__ raises)"),
        (Says, "Says: (the text of this Says cannot be had: its __str__ raises)"),
        (Exits, "Exits: (the text of this Exits cannot be had: its __str__ raises)"),
        (NoClass, "NoClass"),
        (ValueError("nul \x00 and \ud800"), "ValueError: nul \ufffd and \ufffd"),
    ],
)
@pytest.mark.parametrize("style", ["function", "do_work", "constructor", "async"])
def test_anything_may_be_raised(raised, message, style):
    def raises(*_):
        raise raised

    async def raises_later():
        raise raised

    styles = {
        "function": lambda: action("f")(lambda: raises()),
        "do_work": lambda: nuvla(raises),
        "constructor": lambda: nuvla(lambda self: 0, raises),
        "async": lambda: action("f")(raises_later),
    }
    if style == "async" and isinstance(raised, StopIteration):
        message = "RuntimeError: coroutine raised StopIteration"  # so does Python turn it
    ran = run_action(styles[style]())
    assert (ran.state, ran.return_code) == ("FAILED", 1)
    assert ran.message == message


def test_endless_recursion():
    @action
    def recurses():
        def again():
            again()

        again()

    ran = run_action(recurses)
    assert ran.message.startswith("RecursionError: maximum recursion depth exceeded")


@pytest.mark.parametrize(
    ("code", "shown", "return_code"), [(3, "3", 3), (0, "0", 1), (None, "", 1), ("bye", "'bye'", 1), (-1, "-1", 1)]
)
def test_sys_exit(code, shown, return_code):
    @action
    def exits():
        raise SystemExit(code)

    ran = run_action(exits)
    assert (ran.state, ran.message, ran.return_code) == ("FAILED", f"called sys.exit({shown})", return_code)


def test_failed_has_no_traceback():
    @action(retries=5)
    def fails():
        raise Failed("the disk is full", return_code=3)

    ran = run_action(fails)
    assert (ran.state, ran.message, ran.return_code, ran.output) == ("FAILED", "the disk is full", 3, None)


def test_failed_may_ask_for_a_retry():
    @action(retries=1)
    def fails():
        raise Failed("busy", retry=True)

    assert run_action(fails).state == "QUEUED"
    assert run_action(fails, failures=1).state == "FAILED"


# retries


def test_retries_until_none_are_left():
    @action(retries=2, backoff=8, jitter=False)
    def breaks():
        raise OSError("flaky")

    first, second, last = (run_action(breaks, failures=n) for n in range(3))
    assert (first.state, first.retry_after, first.message) == ("QUEUED", 8, "OSError: flaky")
    assert (second.state, second.retry_after) == ("QUEUED", 16)
    assert (last.state, last.retry_after) == ("FAILED", None)
    assert "OSError: flaky" in first.output


def test_jitter_keeps_below_the_bound():
    @action(retries=1000, backoff="1m")
    def breaks():
        raise OSError("flaky")

    waits = [run_action(breaks, failures=n).retry_after or 0 for n in range(20)]
    assert all(0 <= wait <= min(LONGEST, 60 * 2**n) for n, wait in enumerate(waits))
    assert len(set(waits)) > 10


def test_the_jobs_own_retries_win():
    @action(retries=2)
    def breaks():
        raise OSError

    @action
    def breaks_once():
        raise OSError

    assert run_action(breaks, document={"retries": 0}).state == "FAILED"
    assert run_action(breaks_once, document={"retries": 1}).state == "QUEUED"


def test_a_verdict_is_not_retried():
    @action(retries=2)
    def returns():
        return object()

    @action(retries=2)
    def takes(n: int):
        pass

    assert run_action(returns).state == "FAILED"
    assert run_action(takes, n="x").state == "FAILED"


def test_a_mixed_job_goes_on_in_pull_mode():
    def do_work(self):
        raise OSError("no route")

    ran = run_action(nuvla(do_work), document={"execution-mode": "mixed"})
    expected = "Re-running job in pull mode after failed first attempt: OSError: no route"
    assert (ran.state, ran.message, ran.changes) == ("QUEUED", expected, [{"execution-mode": "pull"}])
    assert run_action(nuvla(do_work), document={"execution-mode": "pull"}).state == "FAILED"


# the engine


def test_an_engine_at_fault_still_ends_the_job():
    class Broken(NotingHold):
        def log(self, level, text):
            raise OSError("pipe")

    @action
    def breaks():
        raise ValueError

    outcome = run(breaks, job_of(hold=Broken()))
    assert (outcome.kind, outcome.state, outcome.message) == (FINISHED, "FAILED", "the engine failed: OSError: pipe")


def test_an_outcome_travels():
    @action(retries=1)
    def breaks():
        raise ValueError

    for outcome in (run(breaks, job_of()), run(Action(lambda: {"a": 1}, "x"), job_of())):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(outcome), type=type(outcome)) == outcome
    assert {FINISHED, RETRY, RELEASED} == {"finished", "retry", "released"}
