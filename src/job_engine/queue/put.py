"""Put job ids into the queue, as kazoo's LockingQueue and the Nuvla API server do."""

from collections.abc import Sequence

from job_engine.job.errors import Forbidden
from job_engine.queue import wire
from job_engine.queue.flight import in_flights
from job_engine.queue.names import prefix
from job_engine.queue.session import ENTRIES, Session

BATCH = 256
"""Entries in a multi: far below the limit of a request, and a server's other clients do not wait long for it."""


async def put_many(session: Session, jobs: Sequence[tuple[str, int]]) -> list[str]:
    """Put (job id, priority) pairs; the names of their entries, in the same order.

    Waits for a good session. Each 256 are put together or not at all. Raises Invalid before anything is sent;
    Unanswered or SessionLost when it is not known what has been put: look for the job ids before putting them again.
    """
    link = await session.usable()
    folder = link.path(session.settings.path, ENTRIES, "")
    operations = [
        wire.create(folder + prefix(priority).encode(), job.encode(), link.acl, wire.SEQUENTIAL)
        for job, priority in jobs
    ]
    requests = [wire.multi(operations[i : i + BATCH]) for i in range(0, len(operations), BATCH)]
    answers = await in_flights(lambda one: link.call(one[0]), requests, 1)
    if not all(answer.done for answer in answers):
        raise Forbidden("ZooKeeper does not let us put entries; check that the queue exists, and its rights.")
    return [path.rpartition("/")[2] for answer in answers for path in answer.paths]
