"""What an action returns, or keeps as its checkpoint, as JSON; see `job_engine.job.json_value` for what can be that.

NaN and infinities become null, as in JavaScript: JSON has no such numbers, and hours of work are worth more than the
distinction.
"""

from typing import Any

from job_engine.actions.errors import NotJson
from job_engine.job import json_value
from job_engine.job.attributes import PAYLOAD_LIMIT
from job_engine.job.errors import Invalid
from job_engine.job.nesting import bounded


def encode(value: Any, what: str = "the result") -> bytes:
    """``value`` as JSON.

    Raises:
        NotJson: something in it is not JSON, saying what and where, or there is too much of it.
    """
    try:
        encoded = json_value.encode(value, what, nan=True)
    except Invalid as error:
        raise NotJson(error.message) from None
    if len(encoded) > PAYLOAD_LIMIT:
        raise NotJson(f"{what} is too large: {len(encoded)} bytes of JSON, and {PAYLOAD_LIMIT} is the limit")
    try:
        return bounded(encoded, what)
    except Invalid as error:
        raise NotJson(error.message) from None
