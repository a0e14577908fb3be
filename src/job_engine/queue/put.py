"""Put job ids into the queue, as kazoo's LockingQueue and the Nuvla API server do.

An entry holds nothing but the id of its job, and its name nothing but its place. Which record put it stands in its
access list: a rule that gives no right to nobody. ZooKeeper keeps equal lists once, and others do not look at it.
"""

from collections.abc import Sequence

from kazoo.security import ACL, Id

from job_engine.job.errors import Forbidden
from job_engine.queue import wire
from job_engine.queue.batches import in_batches
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.names import prefix
from job_engine.queue.session import ENTRIES, Session

ENTRIES_PER_MULTI = 256
"""Entries in a multi: far below the limit of a request, and a server's other clients do not wait long for it."""
ENTRIES_PER_QUESTION = 256
"""Access lists that are read in one batch."""

_SCHEME, _WHO = "digest", "job-engine-record-"
_NO_PASSWORD = ":-"  # no digest is "-"; who may not change the list is shown another text in its place


async def put_many(session: Session, jobs: Sequence[tuple[str, int]], record: str = "") -> list[str]:
    """Put (job id, priority) pairs, in the name of a record; the names of their entries, in the same order.

    Waits for a good session. Each 256 are put together or not at all. Raises Invalid before anything is sent;
    Unanswered or SessionLost when it is not known what has been put: look for the job ids before putting them again.
    """
    link = await session.usable()
    folder = link.path(session.settings.path, ENTRIES, "")
    named = wire.acl_bytes((*session.settings.acl, ACL(0, Id(_SCHEME, f"{_WHO}{record}{_NO_PASSWORD}"))))

    wanted = [(folder + prefix(priority).encode(), job.encode()) for job, priority in jobs]  # raises Invalid

    async def put(some: Sequence[tuple[bytes, bytes]]) -> wire.MultiResult:
        def request(acl: bytes) -> wire.Request:
            return wire.multi(wire.create(path, job, acl, wire.SEQUENTIAL) for path, job in some)

        answer: wire.MultiResult = await link.call(request(named if record else link.acl))
        if record and wire.INVALID_ACL in answer.codes:  # this server knows no digests: then nothing tells who put it
            answer = await link.call(request(link.acl))
        return answer

    answers = await in_batches(put, wanted, ENTRIES_PER_MULTI)
    if not all(answer.done for answer in answers):
        raise Forbidden("ZooKeeper does not let us put entries; check that the queue exists, and its rights.")
    return [path.rpartition("/")[2] for answer in answers for path in answer.paths]


async def put_by(session: Session, names: Sequence[str], record: str) -> set[str]:
    """Those of these entries that were put in the name of the record. Raises as `Link.call` does."""
    link = await session.usable()

    async def ask(some: Sequence[str]) -> set[str]:
        paths = [link.path(session.settings.path, ENTRIES, name) for name in some]
        answers = await link.responses(*[link.send(wire.read_acl(path)) for path in paths])
        return {name for name, answer in zip(some, answers, strict=True) if _is_named(answer, record)}

    return set().union(*await in_batches(ask, names, ENTRIES_PER_QUESTION))


def _is_named(answer: "list[tuple[int, str, str]] | Exception", record: str) -> bool:
    if isinstance(answer, Unanswered | SessionLost):
        raise answer
    if isinstance(answer, Exception):
        return False  # it has gone, or we may not see it
    return any(scheme == _SCHEME and who.partition(":")[0] == f"{_WHO}{record}" for _, scheme, who in answer)
