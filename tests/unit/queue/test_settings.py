import pytest

from job_engine.job.errors import Invalid
from job_engine.queue import parse_acl


def test_an_acl_is_scheme_id_and_rights():
    acl = parse_acl("digest:user:aGFzaA==:cr")
    assert (acl.id.scheme, acl.id.id, sorted(acl.acl_list)) == ("digest", "user:aGFzaA==", ["CREATE", "READ"])
    assert parse_acl("auth::cdrwa").acl_list == ["ALL"]


@pytest.mark.parametrize("text", ["", "world", "world:anyone", "world:anyone:", "world:anyone:x", ":anyone:r"])
def test_what_is_no_acl_is_refused(text):
    with pytest.raises(Invalid, match="scheme:id:rights"):
        parse_acl(text)
