"""A job names others only if who says so may see and manage those; what becomes of them stays with its readers."""

from typing import Any

import pytest

from job_engine.api.state import ApiState
from job_engine.store.database import Store
from tests.unit.api.server import InProcess

JANE = {"nuvla-authn-info": "user/jane user/jane group/nuvla-user user/jane group/job-engine-submitter action/*"}
HERS = {"owners": ["user/jane"]}
SECRET = "the password of the database is wrong"


def add(api: InProcess, **document: Any) -> str:
    status, body = api.call("POST", "/api/job", {"action": "x", **document})
    assert status == 201, body
    return str(body["resource-id"])


def rights(*names: str) -> dict[str, list[str]]:
    return {"owners": ["group/nuvla-admin"], **{name: ["user/jane"] for name in names}}


@pytest.mark.parametrize("attribute", ["parent-job", "after", "retry-of"])
@pytest.mark.parametrize(
    ("given", "allowed"),
    [((), False), (("manage",), False), (("view-acl",), False), (("view-data", "manage"), True), (("edit-acl",), True)],
)
def test_an_add_names_what_its_sender_may_see_and_manage(
    api: InProcess, attribute: str, given: tuple[str, ...], allowed: bool
) -> None:
    named = add(api, acl=rights(*given))
    sent = {"action": "x", attribute: [named] if attribute == "after" else named}
    for body in (sent, [sent, sent]):
        for path in ("/api/job", "/api/job?partial=true")[: 1 if body is sent else 2]:
            status, answer = api.call("POST", path, body, JANE)
            assert status == (201 if allowed else 403), answer
            assert allowed or answer["message"].startswith(
                f"invalid credentials for '{named}': to name it in {attribute}"
            )


def test_a_graph_of_jobs_names_itself(api: InProcess) -> None:
    assert api.call("POST", "/api/job", [{"action": "x"}, {"action": "x", "after": ["#0"]}], JANE)[0] == 201


def test_an_edit_names_a_parent_likewise(api: InProcess) -> None:
    mine, hers, strange = add(api, acl=HERS), add(api, acl=HERS), add(api, action="bulk_x")
    child = add(api, acl=HERS, **{"parent-job": strange})
    patch = [{"op": "add", "path": "/parent-job", "value": strange}]
    assert api.call("PUT", f"/api/{mine}", {"parent-job": strange}, JANE)[0] == 403
    assert api.call("PUT", f"/api/{mine}", patch, {**JANE, "content-type": "application/json-patch+json"})[0] == 403
    assert "parent-job" not in api.call("GET", f"/api/{mine}")[1]
    assert api.call("PUT", f"/api/{mine}", {"parent-job": hers}, JANE)[1]["parent-job"] == hers
    whole = api.call("GET", f"/api/{child}", None, JANE)[1]
    assert api.call("PUT", f"/api/{child}", {**whole, "name": "n"}, JANE)[0] == 200, "the parent is as it was"


def test_an_operation_adds_no_child_to_a_family_of_others(api: InProcess) -> None:
    edge = api.call("POST", "/api/nuvlabox", {"acl": HERS}, JANE)[1]["resource-id"]
    for parent, expected in ((add(api, action="bulk_x"), 403), (add(api, acl=rights("view-acl", "manage")), 202)):
        assert api.call("POST", f"/api/{edge}/reboot", {"parent-job": parent}, JANE)[0] == expected


@pytest.mark.parametrize("own", [False, True])
def test_a_retry_stays_in_the_family_if_that_is_its_callers(api: InProcess, own: bool) -> None:
    parent = add(api, action="bulk_x", **({"acl": HERS} if own else {}))
    child = add(api, acl=HERS, **{"parent-job": parent})
    assert api.call("PUT", f"/api/{child}", {"state": "FAILED"})[0] == 200
    again = api.call("POST", f"/api/{child}/retry", None, JANE)[1]["resource-id"]
    assert api.call("GET", f"/api/{again}")[1].get("parent-job") == (parent if own else None)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [(HERS, HERS, True), ({}, HERS, False), (rights("view-meta"), HERS, False), (rights("view-data"), HERS, True)],
)
@pytest.mark.parametrize("before", [False, True])
def test_why_a_job_failed_is_told_to_those_who_may_read_it(
    api: InProcess, first: dict[str, Any], second: dict[str, Any], told: bool, before: bool
) -> None:
    def fail() -> None:
        change = {"state": "FAILED", "status-message": SECRET}
        assert api.call("PUT", f"/api/{needed}", change)[0] == 200

    needed = add(api, **({"acl": first} if first else {}))
    if before:
        fail()
    waiting = add(api, acl=second, after=[needed])
    following = add(api, acl=second, after=[waiting])
    if not before:
        fail()
    for id_ in (waiting, following):
        said = api.call("GET", f"/api/{id_}", None, JANE)[1]["status-message"]
        assert said == f"{needed}, which it waits for, has FAILED" + (f": {SECRET}" if told else "")
        shown = str(api.call("GET", f"/api/{id_}/explain", None, JANE)[1])
        shown += str(api.call("GET", f"/api/{id_}/events", None, JANE)[1])
        assert (SECRET in shown) == told


def test_an_explanation_names_states_and_waiting_jobs_only_to_those_who_see_them(api: InProcess) -> None:
    needed, hers = add(api), add(api, acl=HERS)
    waiting = add(api, acl=HERS, after=[needed, hers])
    others = add(api, after=[waiting])
    mine = add(api, acl=HERS, after=[waiting])
    asked = f"/api/{waiting}/explain"
    seen, all_ = api.call("GET", asked, None, JANE)[1], api.call("GET", asked)[1]
    assert f"not yet: {needed}, {hers} (QUEUED)" in str(seen["terms"])
    assert f"not yet: {needed} (QUEUED), {hers} (QUEUED)" in str(all_["terms"])
    assert (seen["needed-by"], seen["needed-by-count"]) == ([mine], 1)
    assert (all_["needed-by"], all_["needed-by-count"]) == ([others, mine], 2)


def test_many_names_are_a_search_and_none_are_not_looked_up(api: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers also identify callers, so nobody may keep all of them busy."""
    searches: list[Any] = []
    search = ApiState.search

    async def searched(self: ApiState, caller: Any, query: Any, *arguments: Any) -> Any:
        searches.append(len(arguments[-1]))
        return await search(self, caller, query, *arguments)

    async def refused(self: Store, *arguments: Any) -> Any:
        raise AssertionError(arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "read", refused)
        for body in ({"action": "x"}, [{"action": "x"}] * 3):
            assert api.call("POST", "/api/job", body, JANE)[0] == 201
    monkeypatch.setattr(ApiState, "search", searched)
    names = [f"job/{n}" for n in range(1500)]
    sent = [{"action": "x", "after": names[at : at + 500]} for at in range(0, 1500, 500)]
    assert api.call("POST", "/api/job?partial=true", sent, JANE)[0] == 201
    assert api.call("POST", "/api/job?partial=true", sent[:1], JANE)[0] == 201
    assert searches == [1500]
