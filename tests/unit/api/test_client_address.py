"""Whom a trusted proxy is believed to have called."""

from ipaddress import ip_network

import pytest

from job_engine.api.client_address import address_of, place_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("192.0.2.9", {"x-forwarded-for": "198.51.100.1"}, "192.0.2.9"),  # no proxy of ours
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "198.51.100.1"}, "198.51.100.1"),
        ("10.0.0.1", {"x-forwarded-for": "203.0.113.7, 198.51.100.1"}, "198.51.100.1"),  # made up by the client
        ("10.0.0.1", {"x-forwarded-for": "203.0.113.7, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"),
        ("10.0.0.1", {"x-forwarded-for": "10.0.0.3,10.0.0.2"}, "10.0.0.3"),
        ("10.0.0.1", {"x-forwarded-for": "unknown"}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "198.51.100.1:4711"}, "198.51.100.1"),
        ("::1", {"x-forwarded-for": "2001:db8::1"}, "2001:db8::1"),
        ("::ffff:10.0.0.1", {"x-forwarded-for": "2001:db8::1"}, "2001:db8::1"),
        ("10.0.0.1", {"forwarded": 'proto=https;For="[2001:db8::1]:4711"'}, "2001:db8::1"),
        ("10.0.0.1", {"forwarded": "for=203.0.113.7, for=198.51.100.1;by=10.0.0.1"}, "198.51.100.1"),
        ("10.0.0.1", {"forwarded": "for=198.51.100.1", "x-forwarded-for": "198.51.100.1"}, "198.51.100.1"),
        ("10.0.0.1", {"forwarded": "for=203.0.113.7", "x-forwarded-for": "198.51.100.1"}, "10.0.0.1"),  # one is forged
        ("10.0.0.1", {"forwarded": "for=_hidden"}, "10.0.0.1"),
        ("", {"x-forwarded-for": "198.51.100.1"}, ""),
    ],
)
def test_where_a_request_comes_from(peer: str, headers: dict[str, str], client: str) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert address_of({"client": (peer, 1) if peer else None, "headers": raw}, TRUSTED) == client


def test_lines_of_one_header_are_one_list() -> None:
    raw = [(b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-for", b"198.51.100.1")]
    assert address_of({"client": ("10.0.0.1", 1), "headers": raw}, TRUSTED) == "198.51.100.1"


def test_nobody_is_believed_unasked() -> None:
    assert address_of({"client": ("127.0.0.1", 1), "headers": [(b"x-forwarded-for", b"192.0.2.1")]}, ()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2", "2001:db8::/64"),
        ("fe80::1:2%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_places(address: str, place: str) -> None:
    assert place_of(address) == place
