"""Nuvla's names for our programs: `job_executor.py` and the others, with the defaults and exit codes of its engine.

Nothing else is different: they take all flags of ours too.
"""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final, NoReturn

from job_engine.cli import run
from job_engine.exit_codes import INTERNAL, UNREACHABLE
from job_engine.job.errors import Invalid

API_URL: Final = "https://nuvla.io"
PACKAGE: Final = "nuvla.job_engine"
"""What the package ``nuvla-job-engine`` installs."""
STARTING: Final = {"api_url": API_URL, "no_wait_for_api": True, "needed": True}
RESTORE_ZK_HOSTS: Final = ("zk:2181",)
CODES: Final = {UNREACHABLE: 1, INTERNAL: 2}
"""Nuvla's: no connection; any exception."""


def executor() -> NoReturn:
    """``job_executor.py``: `job-engine executor`."""
    one_at_a_time = {"processes": 1, "threads": 1}
    _run("executor", {**STARTING, **one_at_a_time, "actions": lambda: _of_nuvla("actions")})


def distributor() -> NoReturn:
    """``job_distributor.py``: `job-engine distributor`."""
    _run("distributor", {**STARTING, "distributions": lambda: _of_nuvla("distributions")})


def restore() -> NoReturn:
    """``job_restore.py``: `job-engine restore`. Nuvla's asks Elasticsearch, and so has no address of an API server."""
    _run("restore", {"api_url": _no_address, "zk_hosts": RESTORE_ZK_HOSTS})


def _run(command: str, defaults: Mapping[str, Any]) -> NoReturn:
    code = run([command, *sys.argv[1:]], {command: defaults})
    sys.exit(CODES.get(code, code))


def _of_nuvla(what: str) -> tuple[str, ...]:
    """Nuvla's own actions or distributions.

    Raises:
        Invalid: its package is not installed.
    """
    try:
        found = find_spec(PACKAGE) is not None
    except ImportError:
        found = False
    if not found:
        raise Invalid(
            f"Nuvla's {what} are not installed: pip install nuvla-job-engine==5.1.4 'elasticsearch<8' boto3"
            f" (docs/upstream-actions.md), or name your own with --{what}"
        )
    return (f"{PACKAGE}.job.{what}",)


def _no_address() -> NoReturn:
    raise Invalid(
        "job_restore.py reads the jobs from the API server, not from Elasticsearch: give --api-url and who calls, for"
        " example --api-url http://api:8200 --api-authn-header group/nuvla-admin"
    )
