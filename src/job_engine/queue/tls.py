"""Encrypted connections: kazoo's settings, ours, and what kazoo overlooks."""

import ssl
from collections.abc import Callable, Sequence
from typing import Any

from job_engine.queue.settings import ZooKeeperTls

Ready = tuple[Sequence[Any], Sequence[Any], Sequence[Any]]


def for_kazoo(tls: ZooKeeperTls) -> dict[str, Any]:
    """Arguments of a KazooClient."""
    return {
        "use_ssl": True, "ca": tls.ca, "certfile": tls.certificate, "keyfile": tls.key,
        "keyfile_password": tls.key_password, "verify_certs": tls.verify, "check_hostname": tls.check_hostname,
    }  # fmt: skip


def context(tls: ZooKeeperTls) -> ssl.SSLContext:
    """The same, for a connection without kazoo."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_default_certs(ssl.Purpose.SERVER_AUTH)
    made.check_hostname = tls.check_hostname
    made.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
    if tls.ca:
        made.load_verify_locations(tls.ca)
    if tls.certificate and tls.key:
        made.load_cert_chain(tls.certificate, tls.key, tls.key_password)
    return made


def seeing_decrypted(select: Callable[..., Ready]) -> Callable[..., Ready]:
    """A ``select`` that also sees what has been decrypted and not yet read.

    When several answers come in one TLS record, as from a proxy that terminates TLS, kazoo reads the first and waits at
    the socket, which has nothing more to give: the others would be read one by one, whenever something else arrives.
    """

    def see(reads: Sequence[Any], writes: Sequence[Any], errors: Sequence[Any], timeout: float | None = None) -> Ready:
        waiting = [end for end in reads if isinstance(end, ssl.SSLSocket) and end.pending()]
        if not waiting:
            return select(reads, writes, errors, timeout)
        others = [end for end in reads if end not in waiting]
        return [*waiting, *select(others, [], [], 0)[0]], [], []

    return see
