"""What is said of an error."""

import os

from job_engine import JobEngineError
from job_engine.distributor.repeated_error import ERROR_CHARACTERS, one_line


def test_any_error_can_be_told():
    """One distribution's strange text must not keep the record from hearing of the others."""
    text = one_line(ValueError(f"bad file {os.fsdecode(bytes([0xFF]))}\n" + "x" * 2 * ERROR_CHARACTERS))
    assert text.startswith("ValueError: bad file ? x")
    assert text.encode()
    assert len(text) <= ERROR_CHARACTERS + len("ValueError: ")
    assert one_line(JobEngineError(" ")) == "JobEngineError"  # the record takes no blank text
