"""The locking queue in ZooKeeper: who may try to run which job.

session = Session(ZooKeeper(hosts="127.0.0.1:2181"))
queue = LockingQueue(session)
await session.start()
for taken in await queue.take(8): ...
"""

from job_engine.queue import look, predecessor
from job_engine.queue.clock import boottime
from job_engine.queue.election import Election, Lead
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.folder import Folder
from job_engine.queue.locking_queue import LockingQueue
from job_engine.queue.look import Holder
from job_engine.queue.session import Part, Session
from job_engine.queue.settings import Tls, ZooKeeper, parse_acl
from job_engine.queue.take import Outcome, Taken

__all__ = [
    "Election",
    "Folder",
    "Holder",
    "Lead",
    "LockingQueue",
    "Outcome",
    "Part",
    "Session",
    "SessionLost",
    "Taken",
    "Tls",
    "Unanswered",
    "ZooKeeper",
    "boottime",
    "look",
    "parse_acl",
    "predecessor",
]
