"""What Nuvla's clients, its page and its users send, and Nuvla's server takes."""

from urllib.parse import urlencode

import pytest
from nuvla.api import Api

from tests.contract.conftest import Server

FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_an_empty_description_long_names_and_tags(api: Api) -> None:
    sent = {"action": "accepted", "description": "", "name": "n" * 300, "tags": ["t" * 300]}
    found = api.get(api.add("job", sent).data["resource-id"]).data
    assert (found["description"], found["name"], found["tags"]) == ("", "n" * 300, ["t" * 300])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("rm -rf / is no JSON", "rm -rf / is no JSON"),
        ('{"a": 1}', '{"a": 1}'),
        ({"a": {"b": [1, None]}}, '{"a":{"b":[1,null]}}'),
        ([1, 2], "[1,2]"),
        (7, "7"),
    ],
)
def test_payloads_are_texts_or_become_them(api: Api, sent: object, kept: str) -> None:
    added = api.add("job", {"action": "accepted", "payload": sent}).data["resource-id"]
    assert api.get(added).data["payload"] == kept


def test_a_payload_of_an_edit_becomes_text_too(api: Api) -> None:
    added = api.add("job", {"action": "accepted"}).data["resource-id"]
    assert api.edit(added, {"payload": {"a": 1}}).data["payload"] == '{"a":1}'


def test_options_and_the_root(server: Server) -> None:
    assert server.call("OPTIONS", "job")[:2] == (204, None)
    assert server.call("OPTIONS", "session/x", anonymous=True)[0] == 204
    status, _, headers = server.call("GET", "")
    assert (status, headers["location"]) == (303, "cloud-entry-point")


def test_an_operation_by_get(server: Server, api: Api) -> None:
    box = api.add("nuvlabox", {"name": "edge"}).data["resource-id"]
    status, body, _ = server.call("GET", f"{box}/reboot")
    assert status == 202
    assert api.get(body["location"]).data["action"] == "reboot_nuvlabox"
    before = api.search("job", last=0).count
    assert server.call("HEAD", f"{box}/reboot")[0] == 405
    assert server.call("GET", f"{box}/reboot", headers={"sec-fetch-site": "cross-site"})[0] == 403
    assert api.search("job", last=0).count == before


def test_a_login_by_a_form(server: Server) -> None:
    admin = server.admin
    fields = {"href": "session-template/password", "username": admin["username"], "password": admin["password"]}
    status, body, headers = server.call("POST", "session", urlencode(fields), FORM, anonymous=True)
    assert (status, body["resource-id"].startswith("session/"), "set-cookie" in headers) == (201, True, True)
    elsewhere = {**FORM, "origin": "https://evil.example", "host": "here"}
    assert server.call("POST", "session", urlencode(fields), elsewhere, anonymous=True)[0] == 403
    wrong = urlencode({**fields, "password": "wrong"})
    assert server.call("POST", "session", wrong, FORM, anonymous=True)[0] == 403


def test_full_text_as_nuvlas_page_asks(api: Api) -> None:
    first = api.add("module", {"name": "Web Shop", "description": "sells cobwebs", "tags": ["blue-green"]})
    second = api.add("module", {"name": "webserver", "description": "serves"})
    ids = {first.data["resource-id"]: "shop", second.data["resource-id"]: "server"}

    def found(filter_: str) -> list[str]:
        return sorted(ids[each.id] for each in api.search("module", filter=filter_).resources)

    assert found("name=='web*'") == ["server", "shop"]
    assert found("name=='WEB'") == ["shop"]
    assert found("fulltext=='cobweb*'") == ["shop"]
    assert found("fulltext=='web* green'") == ["shop"]
    assert found("fulltext=='erves'") == found("description=='%'") == found("name=='we?*[a-z]'") == []
    assert found(f"fulltext=='{second.data['resource-id'].partition('/')[2]}'") == ["server"]
