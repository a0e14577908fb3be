"""``job-engine version``"""

import platform
from importlib.metadata import version as installed

from job_engine.cli.options.shared import command, json_option
from job_engine.cli.screen import print_json, say


@command("version")
@json_option
def version(as_json: bool) -> None:
    """Print the version of this program."""
    found = {"version": installed("job-engine"), "python": platform.python_version()}
    if as_json:
        print_json(found)
    else:
        say(f"job-engine {found['version']} (Python {found['python']})")
