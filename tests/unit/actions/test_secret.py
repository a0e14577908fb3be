"""Arguments that an action declares secret do not reach its log, its messages and what is told of it."""

import logging
import re
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from job_engine import Failed, Job, action
from job_engine.actions.details import details
from job_engine.actions.run import run
from job_engine.job.attend import Granted
from job_engine.job.errors import Invalid
from job_engine.job.secret import LENGTH_LIMIT, MASK, mask_of, masked, masked_result
from job_engine.testing import run_action
from job_engine.testing.hold import NotingHold

SECRET = "hunter-two"
KEY = "-----BEGIN KEY-----\nMIIEvQ'\"\\IBADANBg\n-----END KEY-----"


@action(secret=["password", "key"])
def connect(job: Job, host: str, password: str = "letmein", key: str = "", how: str = "") -> None:
    print("as", password)
    print(password, end="")
    logging.getLogger("library").warning("sent %s", {"password": password, "key": key})
    for line in key.splitlines():
        job.logger.info(line)
    job.set_status_message(f"connecting with {password}")
    if how == "raises":
        raise ValueError(f"refused: {password} {key!r}")
    if how == "fails":
        raise Failed(f"refused: {password}")


@pytest.mark.parametrize("how", ["", "raises", "fails"])
def test_their_values_are_masked_wherever_an_action_says_them(how: str) -> None:
    ran = run_action(connect, host="db.example.org", password=SECRET, key=KEY, how=how)
    said = f"{ran.log} {ran.output} {ran.message}"
    assert not [line for line in (SECRET, *KEY.splitlines(), "IBADANBg") if line in said]
    assert ("INFO", f"as {MASK}") in ran.log
    assert MASK in str(ran.message)


def test_nothing_else_is_masked() -> None:
    ran = run_action(connect, host=SECRET[:3], password="abc", key="")
    assert ("INFO", "as abc") in ran.log, "too short to be told from other words"


def test_an_argument_of_the_wrong_type_is_not_repeated() -> None:
    @action(secret=["pin"])
    def opens(pin: int) -> None: ...

    ran = run_action(opens, payload={"pin": SECRET})
    assert SECRET not in str(ran.message)


def test_patterns_of_the_operator_are_masked_for_every_action() -> None:
    @action
    def leaks(job: Job) -> None:
        print("token=abc123 and token=def456")
        raise ValueError("token=ghi789")

    hold = NotingHold()
    job = Job(Granted(1, 1, "job/1", "leaks", Raw(b'{"version":2}')), hold)
    outcome = run(leaks, job, patterns=[re.compile(r"token=\w+")])
    said = f"{hold.lines} {outcome.message} {outcome.output}"
    assert MASK in said
    assert not re.search(r"token=\w", said)


def test_who_submits_sees_which_they_are_and_not_their_defaults() -> None:
    told = details(connect)
    assert told.secret == ["password", "key"]
    assert [parameter.text for parameter in told.parameters or ()][1] == "password: str = ***"


@pytest.mark.parametrize("wrong", ["password", [1]])
def test_names_are_a_list_of_texts(wrong: Any) -> None:
    with pytest.raises(Invalid, match="secret is a list of arguments' names"):
        action("a", secret=wrong)(lambda: None)


def test_a_payload_is_shown_without_them() -> None:
    payload = '{"host":"h","password":"x","key":null}'
    assert msgspec.json.decode(masked(payload, {"password", "key"})) == {"host": "h", "password": MASK, "key": MASK}
    assert masked(payload, {"other"}) == payload
    for other in ("not json", "[1]", '"text"'):
        assert masked(other, {"password"}) == MASK


def test_values_within_values_and_numbers_are_secret_too() -> None:
    mask = mask_of('{"s":{"a":["deep-value"],"n":123456,"t":true}}', ["s"])
    assert mask is not None
    assert mask("deep-value 123456 true") == "*** *** true"
    assert mask_of('{"s":""}', ["s"]) is None
    assert mask_of(None, ["s"]) is None


def test_results_without_secrets() -> None:
    payload = '{"pin": 123456, "password": "hunter-two", "host": "db"}'
    secret = ["pin", "password"]
    result = {"password": "new", "url": {"hunter-two": ["x:hunter-two@db", 123456, 1.5, True, None]}, "host": "db"}
    expected = {"password": MASK, "url": {MASK: [f"x:{MASK}@db", MASK, 1.5, True, None]}, "host": "db"}
    assert masked_result(result, payload, secret) == expected
    assert masked_result(result, None, ["none"]) == result
    assert masked_result(result, None, ["return"]) == MASK
    assert masked_result("x" * LENGTH_LIMIT, payload, secret) == MASK, "it is not searched"
    assert masked_result("x" * LENGTH_LIMIT, payload, ["host"]) == "x" * LENGTH_LIMIT, "there is nothing to search for"
    many = msgspec.json.encode({"pin": [str(n) for n in range(1000, 1100)]}).decode()
    assert masked_result("x", many, ["pin"]) == MASK
