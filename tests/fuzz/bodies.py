"""Bodies as somebody sends them who means no good: deep, large, packed, cut, mutated."""

import gzip
import json
import zlib
from typing import Any

from hypothesis import strategies as st

from job_engine.job.attributes import ATTRIBUTES

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KNOWN = (
    "template href username password key secret name email enabled users claim filter jobs due distributor wait part"
    " distributions next-tick distribution action payload acl owners n free holds finished released writes hello member"
    " claims leaving pause host pid version actions roles ttl resources operation from op path value"
).split()
fields = st.sampled_from(sorted({*ATTRIBUTES, *KNOWN})) | st.text(max_size=8)
documents = st.dictionaries(fields, values, max_size=5)
sizes = st.sampled_from([1, 2, 31, 64, 65, 200, 1000, 10_000, 50_000, 99_999, 100_001, 300_000])


def _nested(size: int, opening: bytes, closing: bytes, closed: bool) -> bytes:
    return opening * size + b"1" + (closing * size if closed else b"")


deep = st.builds(
    lambda size, pair, closed: _nested(size, pair[0], pair[1], closed),
    sizes, st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"acl":', b"}]")]), st.booleans(),
)  # fmt: skip
large = st.builds(
    lambda size, field, kind: b'{"action":"x",' + json.dumps(field).encode() + b":" + kind(size) + b"}",
    sizes, fields,
    st.sampled_from(
        [
            lambda size: b"1" * size,
            lambda size: b"1e" + b"9" * min(size, 5000),
            lambda size: b'"' + b"1" * size + b's"',
            lambda size: b'"' + b" " * size + b'x"',
            lambda size: b'"' + b"\\u0041" * size + b'"',
            lambda size: b"[" + b",".join([b"[]"] * size) + b"]",
            lambda size: b"[" + b",".join([b'"a"'] * size) + b"]",
            lambda size: b"{" + b",".join(b'"%d":0' % n for n in range(size)) + b"}",
            lambda size: b"{" + b",".join([b'"a":{}'] * size) + b"}",
            lambda size: b'"' + b"(" * size + b'"',
        ]
    ),
)  # fmt: skip
plain = st.one_of(
    documents.map(lambda value: json.dumps(value).encode()),
    values.map(lambda value: json.dumps(value).encode()),
    st.lists(documents, max_size=4).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=100),
    deep,
    large,
)


def _mutated(body: bytes, at: int, what: bytes, length: int) -> bytes:
    at %= len(body) + 1
    return body[:at] + what + body[at + length :]


mutated = st.builds(
    _mutated,
    documents.map(lambda value: json.dumps(value).encode()),
    st.integers(0, 1000), st.binary(max_size=4), st.integers(0, 4),
)  # fmt: skip
bombs = st.builds(
    lambda size, what: gzip.compress(what * size, 6, mtime=0),
    st.sampled_from([1000, 30_000, 300_000, 4_000_000]), st.sampled_from([b"[],", b" ", b"[", b'{"a":']),
)  # fmt: skip
packed = st.one_of(
    bombs,
    plain.map(lambda body: gzip.compress(body, 1, mtime=0)),
    st.builds(lambda body, cut: gzip.compress(body, 1, mtime=0)[:-cut], plain, st.integers(1, 20)),
    plain.map(lambda body: gzip.compress(body, 1, mtime=0) * 2),
    plain.map(zlib.compress),
    st.binary(max_size=40),
)
