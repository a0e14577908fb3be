"""A distributor ends with the process that started it, in whatever its own modules are stuck."""

import os
import subprocess
import sys
from pathlib import Path

HANGS = """
import threading
print("importing", flush=True)
threading.Event().wait()
"""


def test_the_end_of_the_parent_ends_a_distributor_whose_import_hangs(tmp_path: Path) -> None:
    source = tmp_path / "hangs.py"
    source.write_text(HANGS)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "job_engine.cli", "distributor", "--api-url", "http://127.0.0.1:9"]
    command += ["--api-user", "x", "--api-pass", "y", "--distributions", str(source), "--parent-fd", str(reading)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[reading], cwd=tmp_path)
    try:
        os.close(reading)
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing\n"
        os.close(writing)
        assert process.wait(30) == 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
