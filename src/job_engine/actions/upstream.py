"""What upstream's classes (``nuvla.job_engine``, 5.1) say beside what they return; read without importing it."""

import ast
import inspect
import sys
from functools import lru_cache
from typing import Final

from job_engine.job.foreign import is_a

UNFINISHED: Final = ("nuvla.job_engine.job.actions.utils.bulk_action", "UnfinishedBulkActionToMonitor")
"""A bulk job has made its children; a job of ``monitor_bulk_job`` ends it when they are done."""
UPDATE: Final = ("nuvla.job_engine.job.job", "JobUpdateError")
"""An edit of the job was refused, or did not reach the API server: somebody else may have the job."""


def left_to_its_children(raised: BaseException) -> bool:
    """Whether the job is to stay RUNNING although nobody runs it any more."""
    return _is(raised, UNFINISHED)


def update_refused(raised: BaseException) -> bool:
    """Whether the job is to go back to the queue, as upstream's executor does it."""
    return _is(raised, UPDATE)


def _is(raised: BaseException, which: tuple[str, str]) -> bool:
    module, name = which
    cls = getattr(sys.modules.get(module), name, None)  # who raised it has imported it
    return isinstance(cls, type) and is_a(raised, cls)


def supports_pull_mode(cls: type) -> bool:
    """Whether a NuvlaEdge may run the class; upstream's decorator is told so, and only the source keeps it."""
    return cls.__name__ in _supporting(cls.__module__)


@lru_cache(1024)
def _supporting(module: str) -> frozenset[str]:
    """The classes of a module whose decorator ``action`` has a true second argument."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, SyntaxError, KeyError):
        return frozenset()
    return frozenset(
        one.name
        for one in tree.body
        if isinstance(one, ast.ClassDef) and any(_is_told(decorator) for decorator in one.decorator_list)
    )


def _is_told(decorator: ast.expr) -> bool:
    if not isinstance(decorator, ast.Call) or getattr(decorator.func, "id", None) != "action":
        return False
    by_name = (word.value for word in decorator.keywords if word.arg == "pull_mode_support")
    return any(isinstance(value, ast.Constant) and bool(value.value) for value in (*decorator.args[1:2], *by_name))
