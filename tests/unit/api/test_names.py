"""Names that are one, and passwords that are none."""

import pytest

from job_engine.api import names, password_rules, users
from job_engine.job.errors import Invalid
from job_engine.store import resources
from tests.unit.api.server import InProcess

PASSWORD = "correct horse battery"


def add(api: InProcess, name: str, password: str = PASSWORD) -> int:
    template = {"href": "user-template/username-password", "username": name, "password": password}
    return api.call("POST", "/api/user", {"template": template})[0]


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("jane", "jane"),
        ("  Jane \u00a0 Doe ", "Jane Doe"),
        ("\uff4a\uff41\uff4e\uff45", "jane"),  # as wide as a Chinese character
        ("Ame\u0301lie", "Am\u00e9lie"),
        ("ren\u00e9@example.org", "ren\u00e9@example.org"),
    ],
)
def test_a_name_is_written_in_one_way(name: str, normal: str) -> None:
    assert names.normal(name) == normal


@pytest.mark.parametrize(
    "name", ["", "  ", "a\x1b[31mb", "a\nb", "a\u202eb", "a\u200bb", "a\u2028b", "\ud800", "x" * 256, "\ufdfa" * 200]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(Invalid, match="'name'"):
        names.normal(name)


def test_no_two_names_look_alike(api: InProcess) -> None:
    assert add(api, "Jane Doe") == 201
    for like in ("jane doe", "JANE  DOE", "JaneDoe", "\uff2aane Doe"):
        assert add(api, like) == 409, like
    assert add(api, "Stra\u00dfe") == 201
    assert add(api, "STRASSE") == 409
    other = next(user for user in api.call("GET", "/api/user")[1]["resources"] if user["name"] == "Stra\u00dfe")
    assert add(api, "janet", "janet1234567") == 400
    assert api.call("PUT", f"/api/{other['id']}", {"password": "password1234"})[0] == 400
    assert api.call("PUT", f"/api/{other['id']}", {"name": "janet", "password": "janet1234567"})[0] == 400
    assert api.call("PUT", f"/api/{other['id']}", {"name": "jane doe"})[0] == 409
    status, renamed = api.call("PUT", f"/api/{other['id']}", {"name": " STRASSE "})
    assert (status, renamed["name"]) == (200, "STRASSE")
    assert api.call("PUT", f"/api/{other['id']}", {"name": "a\x07b"})[0] == 400
    found = api.loop.run_until_complete(api.state.store.read(users.by_name, "strasse"))
    assert found is not None
    assert found[0]["id"] == other["id"]


def test_names_of_earlier_versions_are_found(api: InProcess) -> None:
    assert add(api, "Elder") == 201
    run, store = api.loop.run_until_complete, api.state.store
    id_ = users.identifier("elder")
    document = run(store.read(resources.find, id_))
    assert document is not None
    run(store.write(resources.delete, id_))
    run(store.write(resources.add, [{**document, "id": "user-identifier/raw"}]))
    assert run(store.read(users.by_name, "Elder")) is None
    assert run(store.read(users.fold_names))
    run(store.write(users.fold))
    assert run(store.read(users.by_name, "Elder")) is not None
    assert not run(store.read(users.fold_names))


@pytest.mark.parametrize(
    "password",
    [
        "short", "eleven char", "jane doe", "JaneDoe12345", "12345678janedoe!", "janedoejanedoe", "password1234",
        "P@ssw0rd!2024", "passwordpassword", "aaaaaaaaaaaaaa", "abcabcabcabc", "123456789012", "qwertyuiopas",
        "poiuytrewq0987654321", "1q2w3e4r5t6y", "administrator", "Welcome12345", "letmeinletmein", "12341234123412",
        "correct horse battery staple",
    ],
)  # fmt: skip
def test_passwords_that_are_tried_first(password: str) -> None:
    with pytest.raises(Invalid, match="'password'"):
        password_rules.checked(password, "Jane Doe")


@pytest.mark.parametrize(
    "password", [PASSWORD, "tr4lf-Umsonst", "194837261940", "\u6b63\u78ba\u306a\u99ac" * 2 + "1234"]
)
def test_passwords_that_are_good(password: str) -> None:
    assert password_rules.checked(password, "jane") == password
    assert password_rules.checked(password, "123") == password
