"""What a caller who is no administrator may add: jobs of named actions, in the caller's own name, within the quota."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from job_engine.api import acl
from job_engine.api.identity import Caller
from job_engine.api.settings import Quota
from job_engine.job.document import NewJob
from job_engine.job.errors import Conflict, Forbidden
from job_engine.store import documents, jobs, resources, usage
from job_engine.store.transaction import Transaction


def own(caller: Caller, sent: Any) -> Any:
    """The document of a job as ``caller`` may send it: who made it is not the caller's to say.

    Raises:
        Forbidden: its ACL would make others its owners, with whose rights its action would work.
    """
    if not isinstance(sent, dict):
        return sent
    if isinstance(given := sent.get("acl"), Mapping):
        demand_owners(caller, given.get("owners"))
    return {**sent, "created-by": caller.maker}


def demand_owners(caller: Caller, owners: Any, known: Sequence[str] = ()) -> None:
    """Raises Forbidden if a job would get an owner that ``caller`` does not act for; ``known`` are owners already."""
    if caller.admin or not isinstance(owners, list):
        return
    strangers = sorted(str(owner) for owner in owners if owner not in caller.claims and owner not in known)
    if strangers:
        raise Forbidden(f"credentials required: only an administrator makes {strangers[0]} the owner of a job")


def demand_action(caller: Caller, job: NewJob, quota: Quota) -> None:
    """Raises Forbidden unless ``caller``, who is no administrator, may add a job of this action and priority."""
    if caller.job is not None and job.parent == caller.job:  # an action makes children of whatever kind it needs
        return
    if acl.SUBMITTER not in caller.claims or not acl.names_action(caller.claims, job.action):
        raise Forbidden(f"credentials required: your role does not name the action {job.action}")
    if job.priority < quota.priority:
        raise Forbidden(f"credentials required: only administrators add jobs of a priority below {quota.priority}")


def add(tx: Transaction, caller: Caller, quota: Quota, new: Sequence[NewJob], key: str | None) -> list[str]:
    """`jobs.add`, within the caller's quota."""
    counts = not caller.admin and (key is None or jobs.added_before(tx, key) is None)
    if counts:
        demand_room(tx, caller, quota, len(new))
    ids = jobs.add(tx, new, key, _sees(tx, caller))
    if counts:
        demand_job_bytes(tx, caller.maker, quota, [job.id for job in new])
    return ids


def add_each(tx: Transaction, caller: Caller, quota: Quota, new: Sequence[NewJob], key: str | None) -> jobs.Added:
    """`jobs.add_each`, within the caller's quota."""
    counts = not caller.admin and (key is None or jobs.added_before(tx, key) is None)
    if counts:
        demand_room(tx, caller, quota, len(new))
    added = jobs.add_each(tx, new, key, _sees(tx, caller))
    if counts:
        demand_job_bytes(tx, caller.maker, quota, [job.id for job in new])
    return added


def _sees(tx: Transaction, caller: Caller) -> Callable[[str], bool]:
    def sees(id_: str) -> bool:
        job = documents.standing(tx.connection, id_)
        there = job is None or "view-meta" in acl.rights(job.acl, caller.claims)  # of this very add, if not there yet
        return caller.admin or there

    return sees


def demand_room(tx: Transaction, caller: Caller, quota: Quota, number: int) -> None:
    """Raises Conflict if so many more jobs would be more than ``caller``, who is no administrator, may have queued."""
    queued = usage.queued(tx, caller.maker, quota.jobs + 1)
    if queued + number > quota.jobs:
        raise Conflict(
            f"conflict: {queued} jobs of yours are queued, and {number} more would be over the limit of {quota.jobs};"
            " wait until some have run, or cancel some"
        )


def demand_job_bytes(tx: Transaction, maker: str, quota: Quota, ids: Sequence[str], before: int = 0) -> None:
    """Raises Conflict if these jobs, which have just been written, lead over the quota of who made them.

    Args:
        before: how many bytes of them are counted already.
    """
    size = usage.size(tx, ids)
    used = usage.count(tx, maker, ids, size - before) if size != before else 0
    if size > before and used > quota.job_bytes:
        raise Conflict(
            f"conflict: the jobs of {maker} would have {used} bytes, and {quota.job_bytes} is the limit; delete"
            " some that have ended"
        )


def add_document(tx: Transaction, caller: Caller, quota: Quota, document: dict[str, Any]) -> None:
    """Add a document other than a job, within the caller's quota."""
    resources.add(tx, [document])
    demand_bytes(tx, caller, quota, document)


def demand_bytes(tx: Transaction, caller: Caller, quota: Quota, document: dict[str, Any]) -> None:
    """Raises Conflict if the document that ``caller`` has just written leads over the quota of who made it."""
    if caller.admin:
        return
    used = usage.documents(tx, document["created-by"])
    if used > quota.documents:
        raise Conflict(
            f"conflict: the documents of {document['created-by']} would have {used} bytes, and {quota.documents} is the"
            " limit; delete some"
        )
