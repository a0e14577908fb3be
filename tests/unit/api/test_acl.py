"""Access control lists: normal form and the rights that claims give."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_engine.api import acl
from job_engine.job.attributes import ACL_LIMIT, checked
from job_engine.job.errors import Invalid

people = st.sampled_from(["user/a", "user/b", "group/x", acl.ADMIN])
lists = st.dictionaries(st.sampled_from(sorted(acl.ALL)), st.lists(people, max_size=3, unique=True), max_size=5)
acls = st.builds(lambda owners, rest: {"owners": owners, **rest}, st.lists(people, min_size=1, unique=True), lists)


def test_the_default() -> None:
    admin = [acl.ADMIN]
    assert acl.owned_by("user/a") == {
        "owners": ["user/a"], "edit-acl": admin, "edit-data": admin, "edit-meta": admin, "delete": admin,
        "manage": admin, "view-acl": admin, "view-data": admin, "view-meta": admin,
    }  # fmt: skip
    assert acl.owned_by(acl.ADMIN) == {"owners": admin}


@pytest.mark.parametrize(
    ("right", "implied"),
    [
        ("edit-acl", acl.ALL),
        ("edit-data", {"edit-data", "edit-meta", "view-data", "view-meta"}),
        ("edit-meta", {"edit-meta", "view-meta"}),
        ("delete", {"delete", "view-meta"}),
        ("manage", {"manage"}),
        ("view-acl", {"view-acl", "view-data", "view-meta"}),
        ("view-data", {"view-data", "view-meta"}),
        ("view-meta", {"view-meta"}),
    ],
)
def test_implied_rights(right: str, implied: set[str]) -> None:
    kept = acl.normal({"owners": ["user/a"], right: ["user/b"]})
    assert acl.rights_of(kept, frozenset({"user/b"}), "module") == implied


@given(acls)
def test_normal_form(given_acl: dict[str, list[str]]) -> None:
    kept = acl.normal(given_acl)
    assert acl.normal(kept) == kept
    owners = set(kept["owners"])
    assert owners == set(given_acl["owners"])
    for right, who in kept.items():
        assert who == sorted(set(who))
        assert who
        assert right == "owners" or owners.isdisjoint(who)
    assert acl.ADMIN in owners | set(kept.get("edit-acl", ()))
    for person in ("user/a", "user/b", "group/x"):
        rights = acl.rights(json.dumps(kept), frozenset({person}))
        asked = {right for right, who in given_acl.items() if right != "owners" and person in who}
        assert asked <= rights
        assert (rights == acl.ALL) or person not in owners
    assert acl.rights_of(kept, frozenset({acl.ADMIN}), "module") == acl.ALL
    assert acl.rights_of(kept, frozenset({"user/nobody"}), "module") == frozenset()


def test_views() -> None:
    document: dict[str, object] = {"id": "job/1", "name": "n", "action": "x", "acl": {}, "operations": []}
    assert acl.view(document, acl.ALL) == document
    assert set(acl.view(document, frozenset({"view-data", "view-meta"}))) == {"id", "name", "action", "operations"}
    assert set(acl.view(document, frozenset({"view-meta"}))) == {"id", "name", "operations"}


def test_an_acl_names_so_many() -> None:
    most = [f"user/{n}" for n in range(ACL_LIMIT - 1)]
    kept = acl.normal(checked("acl", {"owners": ["user/a"], "edit-acl": most}))
    assert acl.normal(checked("acl", {**kept, "edit-acl": most})) == kept, "what was read may be sent back"
    text = json.dumps(kept)
    assert len(text) > acl.CACHED
    before = acl._rights.cache_info().currsize
    assert acl.rights(text, frozenset({"user/7"})) == acl.ALL
    assert acl.rights(text, frozenset({"user/x"})) == frozenset()
    assert acl._rights.cache_info().currsize == before, "what is long is not kept in memory"
    for many in ([*most, "user/b", "user/c"], [f"user/{'x' * 900}{n}" for n in range(100)]):
        with pytest.raises(Invalid, match="make a group of them"):
            checked("acl", {"owners": ["user/a"], "view-data": many})
