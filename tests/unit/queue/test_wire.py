import struct

import pytest
from kazoo.protocol.serialization import CheckVersion, Create, Delete, SetData, Transaction
from kazoo.security import OPEN_ACL_UNSAFE

from job_engine.job.errors import Invalid
from job_engine.queue import wire


def test_a_multi_is_written_as_kazoo_writes_it():
    acl = wire.acl_bytes(OPEN_ACL_UNSAFE)
    ours = wire.multi(
        [
            wire.check(b"/m"),
            wire.create(b"/t", b"x", acl, wire.EPHEMERAL),
            wire.write(b"/t", b"x", 0),
            wire.delete(b"/t", 1),
        ]
    )
    theirs = [CheckVersion("/m", -1), Create("/t", b"x", OPEN_ACL_UNSAFE, 1), SetData("/t", b"x", 0), Delete("/t", 1)]
    assert ours.serialize() == bytes(Transaction(theirs).serialize())


def test_a_request_that_the_server_would_hang_up_on_is_refused_before_it_is_sent():
    with pytest.raises(Invalid, match="too large"):
        wire.overwrite(b"/m", bytes(wire.PACKET_LIMIT))


@pytest.mark.parametrize("names", [[], ["entry-999-0000000001"] * 3, ["a", "", "longer than twenty characters"]])
def test_names_are_read_whatever_their_length(names):
    body = struct.pack(">i", len(names)) + b"".join(struct.pack(">i", len(n)) + n.encode() for n in names)
    made, deleted = len(names) + 4, 4
    stat = struct.pack(">qqqqiiiqiiq", 1, 1, 0, 0, 0, made + deleted, 0, 0, 0, len(names), 1)
    found = wire.Children.deserialize(b"head" + body + stat, 4)
    assert found == names
    assert found.made == made, "the number of the next sequential node"
