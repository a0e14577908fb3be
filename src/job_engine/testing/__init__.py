"""For the tests of action authors: run an action in this process, without an engine.

from job_engine.testing import run_action

def test_goes_on_where_it_stopped(tmp_path):
    first = run_action(checksum_tree, root=str(tmp_path), interrupt_at=50)
    assert first.state == "QUEUED"
    second = run_action(checksum_tree, root=str(tmp_path), checkpoint=first.checkpoint, attempt=2)
    assert second.result == {"files": 10}
"""

from job_engine.testing.run import Ran, run_action

__all__ = ["Ran", "run_action"]
