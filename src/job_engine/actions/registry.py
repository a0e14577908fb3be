"""The actions that an executor can run, by name."""

from typing import Any, ClassVar

from job_engine.actions.action import Action
from job_engine.loading.registry import Registry


class Actions(Registry[Action[..., Any]]):
    """See `Registry`."""

    what: ClassVar[str] = "action"

    def for_pull_mode(self) -> "Actions":
        """Those of them that a NuvlaEdge may run."""
        fit = Actions()
        fit.failed, fit.duplicates = self.failed, self.duplicates
        for action in self:
            if action.pull_mode_support:
                fit.add(action)
        return fit
