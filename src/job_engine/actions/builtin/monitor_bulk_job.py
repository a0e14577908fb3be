"""``monitor_bulk_job``: beside a Nuvla server, counts the children of a bulk job, and ends it when they have ended.

A server of ours does that itself for bulk jobs with the tag ``monitor``.
"""

from typing import Any, Final

from job_engine.actions.action import action
from job_engine.actions.errors import Interrupted
from job_engine.actions.job import Job
from job_engine.job.bulk import MONITOR, BulkResult, Child
from job_engine.job.bulk_message import found
from job_engine.job.entry_point import ENTRY_POINT, is_ours
from job_engine.job.states import State, is_final

PAGE: Final = 10_000
"""Children that are looked for at once: as many as a search answers."""
CALM: Final = "now-1m"
"""Since when a bulk job has not changed of whose elements some are not accounted for, so that no more is to come: its
own last words are there, and searches, which see an edit up to a second late, have seen all."""


@action("monitor_bulk_job", retries=3)
class MonitorBulkJob:
    """Gather the jobs whose ``parent-job`` is the target into its result and progress."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def do_work(self) -> int:
        """Look once."""
        api, id_ = self.job.api, self.job.target_resource_href
        bulk = api.get(id_).data
        if is_final(bulk["state"]):
            return 0
        ours = is_ours(api.get(ENTRY_POINT).data)
        if ours and MONITOR in bulk.get("tags", ()):
            self.job.set_status_message("the server counts its children itself")
            return 0
        said, children = found(bulk.get("status-message")), self._children(id_)
        own = (said or BulkResult()).without_children({target or child for child, _, target, _ in children})
        result = own.with_children(children)
        changes: dict[str, Any] = {}
        if (text := result.text()) != bulk.get("status-message"):
            changes["status-message"] = text
        if min(result.progress, 99) > bulk.get("progress", 0):
            changes["progress"] = min(result.progress, 99)
        if not result.active and ((said and result.settled >= result.total) or self._is_calm(id_)):
            # As upstream's: people see the result of a bulk job there, counts and reasons, only if it is not FAILED.
            failed = ours and result.failed_count > 0
            changes |= {"state": str(State.FAILED if failed else State.SUCCESS), "return-code": int(failed)}
            changes["progress"] = 100
        if changes:
            self._edit(id_, changes)
        self.job.set_status_message(f"{id_}: {result.sentence}")
        return 0

    def _children(self, id_: str) -> list[Child]:
        """All of them, however many: page by page in the order of their ids, which do not change."""
        children: list[Child] = []
        some = f'parent-job="{id_}"'
        while True:
            if self.job.interrupted:
                raise Interrupted
            page = self.job.api.search(
                "job", filter=some, select="id,state,target-resource", orderby="id:asc", last=PAGE
            ).resources
            for child in page:
                target = child.data.get("target-resource", {}).get("href")
                children.append((child.id, child.data["state"], target, None))
            if len(page) < PAGE:
                return children
            some = f'parent-job="{id_}" and id>"{page[-1].id}"'

    def _is_calm(self, id_: str) -> bool:
        return bool(self.job.api.search("job", filter=f'id="{id_}" and updated<"{CALM}"', last=0).count)

    def _edit(self, id_: str, changes: dict[str, Any]) -> None:
        from nuvla.api import NuvlaError

        try:
            self.job.api.edit(id_, changes)
        except NuvlaError:
            if not is_final(self.job.api.get(id_).data["state"]):  # else it was canceled meanwhile
                raise
