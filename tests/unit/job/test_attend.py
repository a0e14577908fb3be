"""The closed sets of the exchange: what is not in them is refused, and all that is in them has its words."""

from typing import get_args

import msgspec
import pytest

from job_engine.actions.interruption import FINAL, LOST, OVERDUE, STOPPED
from job_engine.dashboard.history import WORDS
from job_engine.job.attend import LEAVES_QUEUE, Released, ReleaseReason, is_given_back
from job_engine.store.jobs.release import WHO_ENDED

REASONS = get_args(ReleaseReason)


@pytest.mark.parametrize("why", REASONS)
def test_each_reason_arrives_and_has_words_in_the_history(why: ReleaseReason) -> None:
    sent = Released(1, 2, why)
    assert msgspec.json.decode(msgspec.json.encode(sent), type=Released) == sent
    assert WHO_ENDED.get(why, why) in WORDS


def test_a_release_for_another_reason_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Invalid enum value 'success'"):
        msgspec.json.decode(b'[1,2,"success"]', type=Released)


def test_the_sets_of_reasons_are_among_them() -> None:
    assert set(REASONS) > LEAVES_QUEUE
    assert [why for why in (STOPPED, LOST, OVERDUE, FINAL, "canceled", None) if is_given_back(why)] == [STOPPED, LOST]
