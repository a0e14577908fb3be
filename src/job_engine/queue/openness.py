"""Whether anybody who reaches ZooKeeper may change the queue: then jobs can be stolen, lost and run twice."""

from collections.abc import Sequence
from typing import Final

from kazoo.security import Permissions

from job_engine.queue import wire
from job_engine.queue.link import Link

CHANGES: Final = Permissions.WRITE | Permissions.CREATE | Permissions.DELETE | Permissions.ADMIN
ADVICE: Final = (
    "let only your machines reach ZooKeeper, or give all servers, executors and distributors the same --zk-auth or"
    " --zk-sasl, and narrow the rights of what is there already (docs/running.md, ZooKeeper for operators)"
)


async def open_folders(link: Link, folders: Sequence[bytes]) -> list[str]:
    """Those of these nodes that anybody may change; one whose rights we may not see is none."""
    answers = await link.responses(*[link.send(wire.read_acl(folder)) for folder in folders]) if folders else []
    return [
        folder.decode()
        for folder, rules in zip(folders, answers, strict=True)
        if not isinstance(rules, Exception)
        and any((scheme, who) == ("world", "anyone") and rights & CHANGES for rights, scheme, who in rules)
    ]
