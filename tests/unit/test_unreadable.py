"""Bytes from elsewhere that are no JSON, not in UTF-8, too deep, or of another type: each reader says so."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import job_engine
from job_engine.cli.commands import submit
from job_engine.client.connection import Reply
from job_engine.client.endpoint import refusal, session_lives
from job_engine.client.responses import decoded
from job_engine.executor.sources import nuvla_api
from job_engine.job.bulk_message import read as read_bulk
from job_engine.job.errors import Invalid, JobEngineError

BROKEN = [b"{", b'{"message": "\xff"}', b"[" * 200_000 + b"]" * 200_000, b'"\xed\xa0\x80"', b"7"]


@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda body: decoded(Reply(200, body, False), dict[str, Any]), JobEngineError),
        (lambda body: nuvla_api.document(body)["id"] if body != b"7" else nuvla_api.document(b"{"), JobEngineError),
        (lambda body: submit._json(body) if body != b"7" else submit._json(b"{"), click.UsageError),
        (lambda body: read_bulk(body.decode("latin-1")), Invalid),
    ],
)
def test_what_cannot_be_read_is_an_error_of_ours(
    body: bytes, read: Callable[[bytes], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        read(body)


@pytest.mark.parametrize("body", BROKEN)
def test_an_answer_that_cannot_be_read_says_what_its_status_says(body: bytes) -> None:
    assert "status 500" in refusal(500, body).message
    assert not session_lives(200, body)


def test_every_reader_knows_all_that_a_decoder_raises() -> None:
    """One that names `msgspec.DecodeError` alone forgets that a text may not be UTF-8, or a document too deep."""
    clause = re.compile(r"except [^\n]*msgspec\.DecodeError")
    root = Path(job_engine.__file__).parent
    assert [str(file) for file in root.rglob("*.py") if clause.search(file.read_text())] == []
