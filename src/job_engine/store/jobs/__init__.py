"""The six verbs that change jobs, and those made of them: add, claim, write, finish, release, cancel.

Nothing else changes a job; `job_engine.store.attributes` sets its columns on their behalf.

Each takes many jobs at once, writes their history with them, and is safe to repeat after a lost answer. A verb checks
before it writes, so one that raises has changed nothing.
"""

from job_engine.store.jobs.add import Added, add, add_each, added_before
from job_engine.store.jobs.cancel import cancel, cancel_children, delete
from job_engine.store.jobs.claim import claim, claim_entries
from job_engine.store.jobs.close import fail_unknown
from job_engine.store.jobs.edit import edit
from job_engine.store.jobs.family import canceled_families, tell_family
from job_engine.store.jobs.finish import finish
from job_engine.store.jobs.release import end_holds, release
from job_engine.store.jobs.settle import settle
from job_engine.store.jobs.waiting import ripen
from job_engine.store.jobs.write import write, write_late

__all__ = [
    "Added", "add", "add_each", "added_before", "cancel", "cancel_children", "canceled_families", "claim",
    "claim_entries", "delete", "edit", "end_holds", "fail_unknown", "finish", "release", "ripen", "settle",
    "tell_family", "write", "write_late",
]  # fmt: skip
