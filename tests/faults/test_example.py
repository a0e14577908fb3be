"""The example on a real tree: everything is killed in the middle, and the next start goes on from the checkpoint."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from examples.checksum_tree import CHECKPOINT_FILES, partial
from tests.integration.running import Up, eventually, family

EXAMPLE = Path(__file__).parents[2] / "examples" / "checksum_tree.py"


@pytest.mark.timeout(300)
def test_a_killed_run_over_usr_lib_goes_on_where_it_was(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    manifest = tmp_path / "lib.sha256"
    up = Up(tmp_path / "data", "--port", "0", "--actions", str(EXAMPLE)).ready()
    request.addfinalizer(up.process.kill)
    job = up.client().submit("checksum-tree", payload={"root": "/usr/lib", "manifest": str(manifest)})
    eventually(lambda: job.refresh().progress >= 3)
    for pid in family(up.process.pid):
        os.kill(pid, signal.SIGKILL)
    up.process.wait()
    written = partial(manifest).read_bytes().count(b"\n")
    assert written > 0
    assert not manifest.exists()

    again = Up(tmp_path / "data", "--port", "0", "--actions", str(EXAMPLE)).ready()
    request.addfinalizer(again.process.kill)
    result = again.client().job(job.id).wait(timeout=240)
    assert again.client().job(job.id).attempt == 2
    # a file that lay behind the last checkpoint is hashed twice, no other
    assert result["files"] - written <= result["hashed by this attempt"] <= result["files"] - written + CHECKPOINT_FILES
    check = subprocess.run(["sha256sum", "--quiet", "--strict", "-c", manifest], capture_output=True, check=False)
    assert (check.returncode, check.stdout) == (0, b""), check.stderr
    assert again.stop() == 0
