"""The relay: makes the locking queue in ZooKeeper equal to what the record wants, and repairs whatever differs.

async with open_relay(ZooKeeper(hosts="127.0.0.1:2181"), store, executors) as queue: ...
"""

from job_engine.relay.service import open_relay
from job_engine.relay.settings import RelaySettings

__all__ = ["RelaySettings", "open_relay"]
