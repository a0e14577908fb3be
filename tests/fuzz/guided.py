"""Coverage-guided fuzzing of what reads a stranger's text, with Atheris (libFuzzer): no text raises but as it should.

``./dev fuzz`` runs it where Atheris has a wheel. Arguments are libFuzzer's, such as ``-max_total_time=60``.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import atheris  # type: ignore[import-untyped, unused-ignore]

with atheris.instrument_imports(include=["job_engine"]):
    import msgspec

    from job_engine.api import client_address, patch
    from job_engine.api.filter import parse
    from job_engine.api.identity import cookie_in
    from job_engine.job import schedule, times
    from job_engine.job.document import new_job
    from job_engine.job.errors import Invalid

PROXIES: Final = (ip_network("10.0.0.0/8"),)
DOCUMENT: Final = {"a": [1, {"b": None}], "": {"~": "x", "/": [[]]}, "n": 1.5}


def _filter(data: bytes) -> None:
    parse(data.decode("utf-8", "replace"))


def _patch(data: bytes) -> None:
    patch.apply(DOCUMENT, msgspec.json.decode(data))


def _job(data: bytes) -> None:
    document = msgspec.json.decode(data)
    acl = {"owners": ["group/nuvla-admin"]}
    msgspec.json.encode(new_job(document, created_by="user/x", acl=acl, now=1.7e9))


def _times(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in (times.epoch, times.seconds):
        try:
            read(text)
        except Invalid:
            continue


def _cron(data: bytes) -> None:
    schedule.schedule(cron=data.decode("utf-8", "replace"))


def _cookie(data: bytes) -> None:
    cookie_in({b"cookie": data})


def _forwarded(data: bytes) -> None:
    name = (b"x-forwarded-for", b"forwarded")[len(data) % 2]
    address: str = client_address.address_of({"client": ("10.0.0.1", 1), "headers": [(name, data)]}, PROXIES)
    client_address.place_of(address)


TARGETS: Final[dict[Callable[[bytes], Any], tuple[bytes, ...]]] = {
    _filter: (b"a/b='c' and (n>=1.5 or t!=null) and x^='y'", b"fulltext=='x*' or a=['b', 'c']"),
    _patch: (b'[{"op":"add","path":"/a/-","value":[1]},{"op":"move","from":"/a/0","path":"/~0"}]',),
    _job: (b'{"action":"x","payload":{"a":[1]},"not-before":"+10m","after":["job/1"],"timeout":"1h","tags":["t"]}',),
    _times: (b"2026-12-01T10:00:00.042+01:00", b"1h30m5s"),
    _cron: (b"0 3 * * MON-FRI", b"*/5 0 3 L 2 *"),
    _cookie: (b'a=b; com.com.sixsq.nuvla.cookie="x"',),
    _forwarded: (b"192.0.2.7, 10.0.0.2", b'for="[2001:db8::1]:80";proto=https, for=10.0.0.2'),
}
"""What reads texts, each with some to begin with."""
READS: Final = tuple(TARGETS)


def one_input(data: bytes) -> None:
    """The first byte says what reads the others."""
    if not data:
        return
    with suppress(Invalid, msgspec.DecodeError, UnicodeDecodeError):
        READS[data[0] % len(READS)](data[1:])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for number, texts in enumerate(TARGETS.values()):
            for place, text in enumerate(texts):
                Path(folder, f"{number}-{place}").write_bytes(bytes([number]) + text)
        atheris.Setup([*sys.argv, folder], one_input)
        atheris.Fuzz()
