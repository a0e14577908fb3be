"""How the engine's own programs are started as child processes: the one place that makes their command line."""

import sys


def python_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs ``module`` in this Python.

    ``-P`` keeps the current folder off the front of the module search path: a user's ``calendar.py`` or ``email.py``
    there would otherwise hide Python's own module, and nothing would start. Actions still load from that folder,
    which `Modules` adds at the end of the path.
    """
    return [sys.executable, "-P", "-m", module, *arguments]
