"""Requests to ZooKeeper, serialised by us and passed to kazoo's connection.

kazoo's transactions cost some 200 us of Python an entry, these a tenth of it. Protocol: ZooKeeper's zookeeper.jute and
ZooDefs.java (operation codes, multi headers); the limit of a packet is jute.maxbuffer, 1,048,575 bytes by default.

All paths are bytes from the root of the server: the chroot is the caller's.
"""

from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import Any, NamedTuple

from kazoo.protocol.serialization import GetChildren
from kazoo.protocol.states import ZnodeStat
from kazoo.security import ACL

from job_engine.job.errors import Invalid

PACKET_LIMIT = 1_048_575
"""Bytes in a request; a server answers a larger one by closing the connection, which looks like an outage."""

OK, NO_NODE, NO_AUTH, NODE_EXISTS, INVALID_ACL = 0, -101, -102, -110, -114
EPHEMERAL, SEQUENTIAL = 1, 2

_CREATE, _DELETE, _EXISTS, _GET, _SET, _GET_ACL, _SYNC, _CHILDREN, _CHECK, _MULTI, _MULTI_READ = (
    1,
    2,
    3,
    4,
    5,
    6,
    9,
    12,
    13,
    14,
    22,
)
_INT = Struct(">i")
_HEADER = Struct(">i?i")  # operation, done, error
_SIZE = _INT.pack(20)  # the usual length of an entry's name
_CHILD = len(_SIZE) + 20
_STAT = Struct(">qqqqiiiqiiq")
_END = _HEADER.pack(-1, True, -1)
_REQUEST_HEADER = 8  # bytes: the connection's number of the request, and its type


class Request:
    """What kazoo's connection asks of a request: type, serialize, deserialize."""

    __slots__ = ("body", "decode", "type")

    def __init__(self, code: int, body: bytes, decode: Callable[[bytes, int], Any]) -> None:
        if len(body) + _REQUEST_HEADER > PACKET_LIMIT:
            raise Invalid(f"A ZooKeeper request of {len(body)} bytes is too large; the limit is {PACKET_LIMIT}.")
        self.type = code
        self.body = body
        self.decode = decode

    def serialize(self) -> bytes:
        return self.body

    def deserialize(self, buffer: bytes, offset: int) -> Any:
        return self.decode(buffer, offset)

    def value(self, decoded: Any) -> Any:
        """What the caller gets: kazoo makes a list of whatever a multi was decoded to."""
        return MultiResult._make(decoded) if self.type == _MULTI else decoded


class WatchingRequest(Request):
    """A request that leaves a watch on its node, if the node is there: kazoo calls ``watcher`` once, on its thread."""

    __slots__ = ("path", "watcher")

    def __init__(self, request: Request, path: str, watcher: Callable[[Any], None]) -> None:
        super().__init__(request.type, request.body[:-1] + b"\1", request.decode)
        self.path = path
        self.watcher = watcher


class MultiResult(NamedTuple):
    """The result of a multi: the error code of each operation and, for a create, its path."""

    codes: list[int]
    paths: list[str]

    @property
    def done(self) -> bool:
        """Whether the multi was applied: whole, or not at all."""
        return not any(self.codes)


class Node(NamedTuple):
    """The content of a node: data, the session that owns it (0: none), version, time of creation (s)."""

    data: bytes
    owner: int
    version: int
    created: float


def acl_bytes(acl: Sequence[ACL]) -> bytes:
    """An access list, as a create carries it."""
    parts = [_INT.pack(len(acl))]
    for rule in acl:
        parts += [_INT.pack(rule.perms), _text(rule.id.scheme.encode()), _text(rule.id.id.encode())]
    return b"".join(parts)


# Operations: parts of a multi.


def check(path: bytes) -> bytes:
    """The node exists."""
    return _HEADER.pack(_CHECK, False, -1) + _text(path) + _INT.pack(-1)


def create(path: bytes, data: bytes, acl: bytes, flags: int = 0) -> bytes:
    return _HEADER.pack(_CREATE, False, -1) + _text(path) + _text(data) + acl + _INT.pack(flags)


def delete(path: bytes, version: int = -1) -> bytes:
    return _HEADER.pack(_DELETE, False, -1) + _text(path) + _INT.pack(version)


def write(path: bytes, data: bytes, version: int = -1) -> bytes:
    return _HEADER.pack(_SET, False, -1) + _text(path) + _text(data) + _INT.pack(version)


# Requests


def multi(operations: Iterable[bytes]) -> Request:
    """All of the operations or none; the result is a MultiResult. Raises Invalid when it is too large to send."""
    return Request(_MULTI, b"".join((*operations, _END)), _multi_result)


def read_many(paths: Iterable[bytes]) -> Request:
    """The nodes at these paths, None for one that is not there.

    Servers before 3.6 do not know this request: see `link.ServersWithoutMultiRead`.
    """
    operation = _HEADER.pack(_GET, False, -1)
    body = b"".join([operation + _text(path) + b"\0" for path in paths])
    return Request(_MULTI_READ, body + _END, _nodes)


def read(path: bytes) -> Request:
    """One node; NoNodeError when it is not there."""
    return Request(_GET, _text(path) + b"\0", lambda buffer, offset: _node(buffer, offset)[0])


def read_acl(path: bytes) -> Request:
    """The (rights, scheme, id) triples of a node's access list; NoNodeError when it is not there."""
    return Request(_GET_ACL, _text(path), _rules)


def watch(path: bytes, watcher: Callable[[Any], None]) -> Request:
    """As ``read``; ``watcher`` is called when the node is written or deleted."""
    return WatchingRequest(read(path), path.decode(), watcher)


def exists(path: bytes) -> Request:
    """The node's stat, or None: kazoo answers None by itself."""
    return Request(
        _EXISTS, _text(path) + b"\0", lambda buffer, offset: ZnodeStat._make(_STAT.unpack_from(buffer, offset))
    )


def overwrite(path: bytes, data: bytes) -> Request:
    """Write the data of a node that exists, whatever its version."""
    return Request(_SET, _text(path) + _text(data) + _INT.pack(-1), _nothing)


def sync(path: bytes) -> Request:
    """Reads sent after it see everything that was written before it."""
    return Request(_SYNC, _text(path), _nothing)


class Names(list[str]):
    """The names in a folder, and how many nodes were ever made in it: the number of the next sequential one."""

    __slots__ = ("made",)

    def __init__(self, names: Iterable[str], made: int) -> None:
        super().__init__(names)
        self.made = made


class Children(GetChildren):  # type: ignore[misc]  # kazoo registers the watcher of its own class only
    """The `Names` in a folder; ``watcher`` is called once when they change, on kazoo's thread."""

    __slots__ = ()

    type = _CHILDREN

    @classmethod
    def deserialize(cls, buffer: bytes, offset: int) -> Names:
        end = len(buffer) - _STAT.size
        stat = ZnodeStat._make(_STAT.unpack_from(buffer, end))
        made = (stat.cversion + stat.numChildren) // 2  # cversion counts what was made and what was deleted
        (count,) = _INT.unpack_from(buffer, offset)
        offset += 4
        if count <= 0:
            return Names((), made)
        rest = bytes(buffer[offset:end])
        if len(rest) == count * _CHILD and all(
            rest[i::_CHILD] == bytes([size]) * count for i, size in enumerate(_SIZE)
        ):
            text = rest.decode("latin-1")  # one character a byte; names of this length are not always entries
            if text.isascii():
                return Names((text[i : i + 20] for i in range(4, len(text), _CHILD)), made)
        names = []
        for _ in range(count):
            (size,) = _INT.unpack_from(buffer, offset)
            names.append(bytes(buffer[offset + 4 : offset + 4 + size]).decode(errors="replace"))
            offset += 4 + size
        return Names(names, made)


def _text(data: bytes) -> bytes:
    return _INT.pack(len(data)) + data


def _nothing(buffer: bytes, offset: int) -> None:
    return None


def _multi_result(buffer: bytes, offset: int) -> MultiResult:
    codes: list[int] = []
    paths: list[str] = []
    while True:
        operation, done, _ = _HEADER.unpack_from(buffer, offset)
        offset += _HEADER.size
        if done:
            return MultiResult(codes, paths)
        code = OK
        if operation == _CREATE:
            (size,) = _INT.unpack_from(buffer, offset)
            paths.append(buffer[offset + 4 : offset + 4 + size].decode())
            offset += 4 + size
        elif operation == _SET:
            offset += _STAT.size
        elif operation == -1:
            (code,) = _INT.unpack_from(buffer, offset)
            offset += 4
        codes.append(code)


def _node(buffer: bytes, offset: int) -> tuple[Node, int]:
    (size,) = _INT.unpack_from(buffer, offset)
    offset += 4
    data = bytes(buffer[offset : offset + size]) if size > 0 else b""
    offset += max(size, 0)
    stat = _STAT.unpack_from(buffer, offset)
    return Node(data, stat[7], stat[4], stat[2] / 1000), offset + _STAT.size


def _rules(buffer: bytes, offset: int) -> list[tuple[int, str, str]]:
    (count,) = _INT.unpack_from(buffer, offset)
    offset += 4
    rules = []
    for _ in range(count):
        (rights,) = _INT.unpack_from(buffer, offset)
        offset += 4
        pair = []
        for _ in range(2):
            (size,) = _INT.unpack_from(buffer, offset)
            pair.append(bytes(buffer[offset + 4 : offset + 4 + size]).decode(errors="replace"))
            offset += 4 + size
        rules.append((rights, pair[0], pair[1]))
    return rules


def _nodes(buffer: bytes, offset: int) -> list[Node | None]:
    nodes: list[Node | None] = []
    while True:
        operation, done, _ = _HEADER.unpack_from(buffer, offset)
        offset += _HEADER.size
        if done:
            return nodes
        if operation == -1:
            offset += 4
            nodes.append(None)
        else:
            node, offset = _node(buffer, offset)
            nodes.append(node)
