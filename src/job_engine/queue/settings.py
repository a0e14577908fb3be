"""How to reach ZooKeeper, and where the queue is in it."""

from collections.abc import Mapping
from dataclasses import dataclass

from kazoo.security import ACL, Id, Permissions

from job_engine.job.errors import Invalid

_RIGHTS = {
    "r": Permissions.READ,
    "w": Permissions.WRITE,
    "c": Permissions.CREATE,
    "d": Permissions.DELETE,
    "a": Permissions.ADMIN,
}


def parse_acl(text: str) -> ACL:
    """``scheme:id:rights``, rights out of ``cdrwa``: ``world:anyone:r``, ``digest:user:hash:cdrwa``, ``auth::cdrwa``.

    Raises Invalid.
    """
    scheme, _, rest = text.partition(":")
    who, separator, rights = rest.rpartition(":")
    if not scheme or not separator or not rights or set(rights) - set(_RIGHTS):
        raise Invalid(f"'{text}' is not an ACL; write scheme:id:rights, with rights out of cdrwa.")
    return ACL(sum(_RIGHTS[right] for right in set(rights)), Id(scheme, who))


@dataclass(frozen=True, kw_only=True)
class ZooKeeperTls:
    """Files and checks of an encrypted connection."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: str | None = None
    verify: bool = True
    check_hostname: bool = False


@dataclass(frozen=True, kw_only=True)
class ZooKeeper:
    """The servers, the session, and the rights of what we create."""

    hosts: str  # host:port,host:port/chroot
    path: str = "/job"
    session_timeout: float = 10.0  # seconds asked for; the server clamps it to 2..20 of its ticks
    auth: tuple[tuple[str, str], ...] = ()  # (scheme, credential): ("digest", "user:password")
    sasl: Mapping[str, str] | None = None  # kazoo's sasl_options; needs the package pure-sasl
    tls: ZooKeeperTls | None = None
    acl: tuple[ACL, ...] = (ACL(Permissions.ALL, Id("world", "anyone")),)

    @property
    def place(self) -> str:
        """Where the queue is, seen from ZooKeeper's root: the chroot and the path."""
        _, slash, chroot = self.hosts.partition("/")
        return slash + chroot + self.path

    def unreachable(self, trouble: str = "") -> str:
        """The sentence, without its end, that everybody uses who cannot reach the servers.

        Args:
            trouble: what happened to the last try, if that is known.
        """
        return f"ZooKeeper at {self.hosts} is unreachable{f' ({trouble})' if trouble else ''}"
