"""The exit codes of all programs, in one place, because supervisors and scripts tell ends apart by them."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
"""The job failed or was canceled, or a check failed; the command itself did what it should."""
NO_SERVER: Final = 1
"""Of executors and distributors, as Nuvla's engine has it: the API server accepts no login, or is unreachable and is
not waited for. Commands exit with `UNREACHABLE` then."""
ORPHANED: Final = 1
"""The process that started this one has died."""
WRONG: Final = 2
"""Wrong use: arguments, files, a folder that does not exist, what the server refuses."""
UNREACHABLE: Final = 3
"""No engine answers."""
INTERNAL: Final = 70
"""A fault of ours (sysexits.h: EX_SOFTWARE)."""
INTERRUPTED: Final = 130
"""Ctrl-C, as shells count."""
