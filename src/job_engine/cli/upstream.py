"""Nuvla's names for our programs: `job_executor.py` and the others, with the defaults and exit codes of its engine.

Nothing else is different: they take all flags of ours too.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final, NoReturn

from job_engine.cli import run
from job_engine.cli.exits import INTERNAL, UNREACHABLE

API_URL: Final = "https://nuvla.io"
RESTORE_ZK_HOSTS: Final = ("zk:2181",)
CODES: Final = {UNREACHABLE: 1, INTERNAL: 2}
"""Nuvla's: no connection; any exception."""


def executor() -> NoReturn:
    """``job_executor.py``: `job-engine executor`."""
    _run("executor", {"api_url": API_URL, "no_wait_for_api": True, "actions": _of_nuvla("actions")})


def distributor() -> NoReturn:
    """``job_distributor.py``: `job-engine distributor`."""
    distributions = _of_nuvla("distributions")
    _run("distributor", {"api_url": API_URL, "no_wait_for_api": True, "distributions": distributions})


def restore() -> NoReturn:
    """``job_restore.py``: `job-engine restore`."""
    _run("restore", {"api_url": API_URL, "zk_hosts": RESTORE_ZK_HOSTS})


def _run(command: str, defaults: Mapping[str, Any]) -> NoReturn:
    code = run([command, *sys.argv[1:]], {command: defaults})
    sys.exit(CODES.get(code, code))


def _of_nuvla(what: str) -> tuple[str, ...]:
    """Nuvla's own actions or distributions, where its package is installed."""
    try:
        found = find_spec("nuvla.job_engine") is not None
    except ImportError:
        found = False
    return (f"nuvla.job_engine.job.{what}",) if found else ()
