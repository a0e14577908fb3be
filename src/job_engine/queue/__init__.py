"""The locking queue in ZooKeeper: who may try to run which job.

session = Session(ZooKeeper(hosts="127.0.0.1:2181"))
queue = LockingQueue(session)
await session.start()
for taken in await queue.take(8): ...
"""

from job_engine.queue import inspection, predecessor
from job_engine.queue.clock import boottime
from job_engine.queue.election import Election, Lead
from job_engine.queue.errors import SessionLost, Unanswered
from job_engine.queue.inspection import TakeHolder
from job_engine.queue.locking_queue import LockingQueue
from job_engine.queue.session import Session, SessionListener
from job_engine.queue.settings import ZooKeeper, ZooKeeperTls, parse_acl
from job_engine.queue.take import EndOutcome, Taken
from job_engine.queue.watched_folder import WatchedFolder

__all__ = [
    "Election",
    "EndOutcome",
    "Lead",
    "LockingQueue",
    "Session",
    "SessionListener",
    "SessionLost",
    "TakeHolder",
    "Taken",
    "Unanswered",
    "WatchedFolder",
    "ZooKeeper",
    "ZooKeeperTls",
    "boottime",
    "inspection",
    "parse_acl",
    "predecessor",
]
