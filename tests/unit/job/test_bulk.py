"""The result of a bulk job, on the wire as upstream's."""

import json

import pytest

from job_engine.job.attributes import MESSAGE_LIMIT
from job_engine.job.bulk import BulkResult, Reason
from job_engine.job.bulk_message import found, in_short, read
from job_engine.job.errors import Invalid


def sample() -> BulkResult:
    result = BulkResult(total=6)
    result.succeeded("module/a")
    result.queue("module/b")
    result.failed("no such module", "module/c", "sea", "404")
    result.failed("broken", "module/d")
    result.failed("no such module", "module/c")
    result.skipped("is up to date", "module/e")
    return result


def test_the_json_is_upstreams():
    assert json.loads(sample().text()) == {
        "total_actions": 6,
        "failed_count": 3,
        "skipped_count": 1,
        "success": ["module/a"],
        "success_count": 1,
        "queued_count": 1,
        "running_count": 0,
        "running": [],
        "queued": ["module/b"],
        "error_reasons": [
            {
                "reason": "no such module",
                "count": 2,
                "category": "failed",
                "data": [{"id": "module/c", "count": 2, "name": "sea", "message": "404"}],
            },
            {"reason": "broken", "count": 1, "category": "failed", "data": [{"id": "module/d", "count": 1}]},
            {"reason": "is up to date", "count": 1, "category": "skipped", "data": [{"id": "module/e", "count": 1}]},
        ],
        "jobs_count": 1,
    }


def test_what_is_written_is_read():
    assert read(sample().text()) == sample()


def test_many_ids_are_cut_and_counted():
    result = BulkResult(total=10_000)
    for n in range(9_000):
        result.succeeded(f"deployment/{n:036}")
    for n in range(1_000):
        result.failed("Job failed", f"deployment/{n:036}")
    text = result.text()
    said = json.loads(text)
    assert MESSAGE_LIMIT // 4 < len(text) <= MESSAGE_LIMIT
    assert (said["success_count"], said["failed_count"]) == (9_000, 1_000)
    assert 0 < len(said["success"]) < 9_000
    assert (read(text).success_count, read(text).progress) == (9_000, 100)


@pytest.mark.parametrize(
    ("settled", "total", "progress"), [(0, 0, 100), (0, 3, 0), (1, 3, 33), (299, 300, 99), (3, 3, 100)]
)
def test_progress_is_100_only_at_the_end(settled, total, progress):
    assert BulkResult(total=total, success_count=settled).progress == progress


@pytest.mark.parametrize("reason", ["no {0} here", "\U0001f9ea" * 250 + "{0}", "line {0}\nof several"])
def test_many_reasons_are_told_apart_up_to_a_hundred(reason):
    result = BulkResult(total=10_000)
    for n in range(10_000):
        result.failed(reason.format(n), f"deployment/{n}", message="m" * 5000)
    text = result.text()
    said = json.loads(text)["error_reasons"]
    assert len(text) <= MESSAGE_LIMIT
    assert sum(each["count"] for each in said) == 10_000
    assert len(said) <= 101
    assert read(text).failed_count == 10_000


def test_what_is_read_never_grows_beyond_the_limit():
    many = [{"reason": "\u00e9" * 20 + str(n), "count": 1, "category": "odd" * 9} for n in range(2000)]
    text = json.dumps({"total_actions": 2000, "failed_count": 2000, "error_reasons": many}, ensure_ascii=False)
    again = read(text).text()
    assert len(again) <= MESSAGE_LIMIT
    assert sum(each["count"] for each in json.loads(again)["error_reasons"]) == 2000


def test_elements_without_an_id_as_upstream_skips_them():
    skipped = {"reason": "r", "count": 2, "category": "skipped", "data": [{"id": None, "count": 2}]}
    result = read(
        json.dumps({"total_actions": 2, "skipped_count": 2, "success": [None, 7], "error_reasons": [skipped]})
    )
    assert (result.success, list(result.reasons["r"].data)) == (["unknown", "7"], ["unknown"])
    assert result.sentence == "2 of 2 done, 2 skipped"


def test_children_are_added_and_taken_away_again():
    own = sample()
    children = [
        ("job/1", "SUCCESS", "module/1", None),
        ("job/2", "FAILED", "module/2", None),
        ("job/3", "CANCELED", None, None),
        ("job/4", "QUEUED", "module/4", None),
        ("job/5", "RUNNING", "module/5", None),
    ]
    both = own.with_children(children)
    assert (both.queued, both.running, both.success) == (["job/4"], ["job/5"], ["module/a", "module/1"])
    assert (both.failed_count, both.jobs_count, both.total, both.active) == (5, 5, 10, 2)
    assert own == sample()
    assert both.without_children({"module/1", "module/2", "job/3"}).with_children(children) == both


def test_of_a_cut_list_the_own_part_is_counted():
    own = BulkResult(total=20_000)
    for n in range(8_000):
        own.succeeded(f"module/own-{n:036}")
    for n in range(12_000):
        own.queue(f"module/{n:036}")
    children = [(f"job/{n}", "SUCCESS" if n % 3 else "FAILED", f"module/{n:036}", None) for n in range(12_000)]
    targets = {target for _, _, target, _ in children}
    first = read(own.text()).with_children(children)
    second = read(first.text()).without_children(targets).with_children(children)
    assert (second.success_count, second.failed_count, second.total) == (16_000, 4_000, 20_000)


@pytest.mark.parametrize(
    ("counts", "reasons", "sentence"),
    [
        ({"total": 3, "success_count": 3}, {}, "3 of 3 done"),
        ({"total": 0}, {}, "0 of 0 done"),
        (
            {"total": 9, "success_count": 1, "running_count": 2, "queued_count": 6},
            {},
            "1 of 9 done, 2 running, 6 queued",
        ),
        ({"total": 2, "failed_count": 2}, {"no disk": 2}, "0 of 2 done, 2 failed: no disk"),
        ({"total": 3, "failed_count": 3}, {"a": 1, "b": 2}, "0 of 3 done, 3 failed: b and 1 more reason"),
        ({"total": 6, "failed_count": 6}, {"a": 1, "b": 2, "c": 3}, "0 of 6 done, 6 failed: c and 2 more reasons"),
    ],
)
def test_in_a_sentence(counts, reasons, sentence):
    result = BulkResult(**counts, reasons={text: Reason("failed", number) for text, number in reasons.items()})
    assert result.sentence == in_short(result.text()) == sentence


@pytest.mark.parametrize("text", [None, "", "done\nand more", '{"a": 1}', "{", "[]", 7])
def test_other_messages_are_no_results(text):
    assert found(text) is None
    assert in_short(text) == str(text or "").split("\n")[0]


@pytest.mark.parametrize(
    "text",
    [
        *("", "done", "[]", "{}", "null", '{"error_reasons": [{}]}', '{"success": 3}', "[" * 100_000),
        *('{"total_actions": Infinity}', '{"total_actions": -1}', '{"total_actions": 1e999}', '{"total_actions": "5"}'),
        '{"total_actions": 1, "success": [{}]}',
        '{"total_actions": 1, "error_reasons": [{"reason": "r", "count": "1", "category": "failed"}]}',
        '{"total_actions": 1, "error_reasons": [{"reason": "r", "count": 1, "data": [{"id": "x", "count": {}}]}]}',
        '{"total_actions": 1, "failed_count": null}\ud800',
    ],
)
def test_what_is_no_result_is_refused(text):
    with pytest.raises(Invalid, match="no result of a bulk job"):
        read(text)


def test_the_sentence_has_what_an_element_says_of_a_reason():
    result = BulkResult(total=2)
    result.failed("Job not added", "module/1", message="attribute 'priority' must be a whole number")
    result.failed("Job not added", "module/2", message="another")
    assert result.sentence == ("0 of 2 done, 2 failed: Job not added: attribute 'priority' must be a whole number")
