"""Where a request comes from: the address of its connection, or what a trusted proxy says of it."""

import ipaddress
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from starlette.types import Scope

Networks = Sequence[IPv4Network | IPv6Network]

HOPS: Final = 16
"""Addresses of a header that are looked at, from its end: nobody has more trusted proxies in a row."""
_HEADERS: Final = (b"x-forwarded-for", b"forwarded")


def address_of(scope: Scope, trusted: Networks) -> str:
    """The client's address.

    A trusted proxy adds the address of who called it at the end of ``X-Forwarded-For`` or ``Forwarded``; what stands
    before came from there, and is believed only as far as that is a trusted proxy, too. If both headers are there and
    differ, the proxy passes one of them on as a client made it up: then neither is believed.

    Args:
        trusted: the networks of proxies.
    """
    peer: str = (scope.get("client") or ("",))[0]
    if not trusted or not within(peer, trusted):
        return peer
    said = {_client(peer, list(_hops(scope, name))[::-1][:HOPS], trusted) for name in _HEADERS}
    said.discard(peer)
    return said.pop() if len(said) == 1 else peer


def within(host: str, networks: Networks) -> bool:
    """Whether an address is in one of the networks."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def place_of(address: str) -> str:
    """What one household has: an address, or 64 bits of one of IPv6, of which anybody has as many as they like."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found), 64), strict=False))


def _client(peer: str, hops: Sequence[str], trusted: Networks) -> str:
    """The last address that is no trusted proxy's, or the farthest one that is.

    Args:
        hops: nearest first.
    """
    for hop in hops:
        try:
            peer = str(ipaddress.ip_address(hop))
        except ValueError:  # "unknown", or the proxy's own name for somebody
            break
        if not within(peer, trusted):
            break
    return peer


def _hops(scope: Scope, header: bytes) -> Iterator[str]:
    lines = (value.decode("latin-1") for name, value in scope["headers"] if name == header)
    for element in ",".join(lines).split(","):
        if header == b"forwarded":
            pairs = (pair.partition("=") for pair in element.split(";"))
            element = next((value for name, _, value in pairs if name.strip().lower() == "for"), "")
        text = element.strip().strip('"')
        if text.startswith("["):
            yield text[1:].partition("]")[0]
        else:
            yield text.partition(":")[0] if text.count(":") == 1 else text
