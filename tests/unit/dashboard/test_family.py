"""What the page of a job says of its family, whatever the jobs say."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from job_engine.dashboard import page
from job_engine.dashboard.distributions import allowed_operations
from job_engine.dashboard.family import Elements, Family
from job_engine.dashboard.jobs import JobRow
from job_engine.job.bulk import BulkResult

EVIL = "<script>alert('x')</script>"
ID = "job/0193a5e2-0000-7000-8000-000000000001"


def rendered(macro: str, *arguments: Any) -> str:
    module = page._templates.get_template("family.html").make_module({"root": "./"})
    return str(getattr(module, macro)(*arguments))


def elements(message: Any, links: Mapping[str, str] | None = None) -> Elements | None:
    return Elements.of({"id": ID, **({} if message is None else {"status-message": message})}, links or {})


def result() -> BulkResult:
    result = BulkResult(total=20)
    result.succeeded("module/1")
    for n in range(9):
        result.failed("no disk", f"module/{n}")
    result.skipped("is up to date", "an odd id", name="the old one", message="since May")
    return result


@pytest.mark.parametrize(
    "message",
    [
        None,
        "",
        "working",
        '{"progress": 3}',
        "{",
        "[1]",
        '{"total_actions": "many"}',
        '{"total_actions": 3',
        "x" * 99_999,
    ],
)
def test_other_messages_are_no_result(message: Any) -> None:
    assert elements(message) is None
    assert JobRow.of({"id": ID, **({} if message is None else {"status-message": message})}).id == ID


def test_counts_and_causes() -> None:
    found = elements(result().text(), {"module/0": "?x"})
    assert found is not None
    assert found.counts == [("done", 1), ("failed", 9), ("skipped", 1)]
    first, second = found.causes
    assert (first.reason, first.failed, first.number, first.more, len(first.elements)) == ("no disk", True, 9, 4, 5)
    name, link, _ = first.elements[0]
    assert name == "module/0"
    assert link == "?x"
    assert (second.failed, second.elements) == (False, [("the old one", None, "since May")])
    text = rendered("elements_of", found)
    assert "no disk" in text
    assert "and 4 more" in text
    assert 'title="since May"' in text


def test_nothing_that_is_said_becomes_html() -> None:
    odd = BulkResult(total=3)
    odd.failed(EVIL, EVIL, name=EVIL, message=EVIL)
    odd.failed("\x1b[31mred\x1b[0m", "job/x' or id!='")
    odd.skipped("", "module/'><b>")
    found = elements(odd.text())
    assert found is not None
    text = rendered("elements_of", found)
    assert "<script" not in text
    assert "<b>" not in text
    assert "\x1b" not in text
    assert {link for cause in found.causes for _, link, _ in cause.elements} == {None}
    row = JobRow.of({"id": ID, "status-message": odd.text(), "action": EVIL})
    family = Family({"id": ID, "action": EVIL, "state": "RUNNING"}, [row], 250, [("FAILED", 250, "?x")], "?y")
    text = rendered("tree_of", family, {"id": ID, "action": EVIL, "state": "SUCCESS"})
    assert "<script" not in text
    assert "249 more" in text


def test_a_result_with_numbers_that_do_not_fit_together_is_shown() -> None:
    found = elements(json.dumps({"total_actions": 1, "failed_count": 7, "error_reasons": [
        {"reason": "r", "count": 0, "category": "?", "data": [{"id": "a", "count": 9}, {"id": None}]}]}))  # fmt: skip
    assert found is not None
    assert found.causes[0].more == 0
    assert "unknown" in rendered("elements_of", found)


def test_a_parent_that_is_not_there_is_an_id() -> None:
    text = rendered("tree_of", Family({"id": ID}, [], 0, [], "?x"), {"id": "job/2"})
    assert f'href="./{ID}"' in text


def test_the_list_says_a_result_in_a_sentence() -> None:
    row = JobRow.of({"id": ID, "status-message": result().text()})
    assert row.message == row.whole == "1 of 20 done, 9 failed, 1 skipped: no disk"


def test_buttons_are_what_may_be_done_and_makes_sense() -> None:
    operations = [{"rel": name} for name in ("pause", "resume", "run", "delete")]
    assert allowed_operations({"paused": False, "operations": operations}) == [("run", "Run now"), ("pause", "Pause")]
    assert allowed_operations({"paused": True, "run-at": "x", "operations": operations}) == [("resume", "Resume")]
    assert allowed_operations({"paused": False}) == []
