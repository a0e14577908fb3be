"""``cancel_children_jobs``: cancels what is left of a bulk job's children; added when a bulk job is canceled."""

from typing import Final

from job_engine.actions.action import action
from job_engine.actions.errors import Failed
from job_engine.actions.job import Job

PAGE: Final = 1000
"""Children that are looked for at once."""


@action("cancel_children_jobs")
class CancelChildrenJobs:
    """Cancel all QUEUED and RUNNING jobs whose ``parent-job`` is the target."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def do_work(self) -> int:
        """Cancel them, page by page until none is left that could be canceled."""
        from nuvla.api import NuvlaError

        api, refused = self.job.api, dict[str, str]()
        left = f'parent-job="{self.job.target_resource_href}" and state=["QUEUED" "RUNNING"]'
        while not self.job.interrupted:
            # those that refused stay among what is found, so the page grows by them
            found = api.search("job", filter=left, select="id", last=PAGE + len(refused)).resources
            children = [child for child in found if child.id not in refused]
            if not children:
                break
            for child in children:
                try:
                    api.operation(child, "cancel")
                except NuvlaError as error:  # it may have ended by itself: then it is not found again
                    refused[child.id] = error.reason
        if refused and (still := [id_ for id_ in refused if self._runs(id_)]):
            raise Failed(f"{len(still)} children could not be canceled, the first is {still[0]}: {refused[still[0]]}")
        return 0

    def _runs(self, id_: str) -> bool:
        return bool(self.job.api.search("job", filter=f'id="{id_}" and state=["QUEUED" "RUNNING"]', last=0).count)
