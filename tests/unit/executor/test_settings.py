"""What worker processes are told of the executor's settings."""

import pytest

from job_engine.actions.output import OutputPolicy
from job_engine.executor.settings import ExecutorSettings
from job_engine.executor.supervisor import _setup


@pytest.mark.parametrize(
    ("beside_nuvla", "logs_in_output", "policy"),
    [
        (False, False, OutputPolicy.PRINTED),
        (True, False, OutputPolicy.NOTHING),
        (False, True, OutputPolicy.EVERYTHING),
        (True, True, OutputPolicy.EVERYTHING),
    ],
)
def test_what_goes_to_the_output_of_jobs(beside_nuvla: bool, logs_in_output: bool, policy: OutputPolicy) -> None:
    settings = ExecutorSettings(api_url="http://x", names_hold=not beside_nuvla, logs_in_output=logs_in_output)
    assert _setup(settings).output is policy
