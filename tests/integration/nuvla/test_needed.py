"""Under Nuvla's names what has the actions or distributions has to load."""

import subprocess
from pathlib import Path

import pytest

from tests.integration.nuvla.processes import APP, BIN, NuvlaServer, program
from tests.integration.running import WITHIN, clean
from tests.zookeeper import server as zookeeper

BROKEN = "from a_library import nothing_of_it\n"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder with two packages, of which one does not load and the other has a module that does not."""
    for name, body, module in (("all_wrong", BROKEN, ""), ("half_wrong", "", BROKEN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(body)
        (tmp_path / name / "part.py").write_text(module)
    return tmp_path


def test_a_distributor_whose_package_does_not_load_ends_at_once(broken: Path) -> None:
    flags = ["--distributions", "all_wrong", "--zk-hosts", "127.0.0.1:1", "--api-url", "http://127.0.0.1:1"]
    done = subprocess.run(
        [BIN / "python", APP / "job_distributor.py", *flags],
        cwd=broken, env=clean(), capture_output=True, text=True, timeout=WITHIN,
    )  # fmt: skip
    assert done.returncode == 2
    assert "all_wrong does not load" in done.stderr
    assert "a_library" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_executor_whose_package_does_not_load_ends_and_one_that_lacks_a_module_runs(broken: Path) -> None:
    with zookeeper() as one:
        server = NuvlaServer(broken, one.host)
        command = [str(BIN / "python"), str(APP / "job_executor.py"), "--zk-hosts", one.host, *server.credentials]
        with program(broken, *command, "--actions", "all_wrong") as ended:
            assert ended.code() == 2
            assert "all_wrong does not load" in ended.said
        with program(broken, *command, "--actions", "half_wrong") as runs:
            runs.says(" runs ")
            runs.says("half_wrong.part does not load")
        server.close()
