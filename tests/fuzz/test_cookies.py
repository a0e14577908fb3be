"""Cookies and sign-in links that were changed name nobody, or who they named; never somebody else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.target import PASSWORD, TIMES, Target, ran

characters = st.characters(max_codepoint=255, exclude_characters="\r\n\0;")


@pytest.fixture(scope="module")
def cookie(server: Target) -> str:
    """Of a session of mia's, who is no administrator."""
    template = {"href": "session-template/password", "username": "mia", "password": PASSWORD}
    answer = server.send("POST", "/api/session", json.dumps({"template": template}).encode())
    assert answer is not None
    assert answer.status == 201
    return answer.headers["set-cookie"].partition(";")[0]


def _known(server: Target, header: str) -> list[Any]:
    answer = server.send("GET", "/api/session", headers={"cookie": header})
    assert answer is not None
    return [session["user"] for session in answer.json["resources"]] if answer.status == 200 else []


@settings(max_examples=200 * TIMES)
@given(at=st.integers(0, 2000), what=st.text(characters, max_size=4), length=st.integers(0, 40), twice=st.booleans())
def test_a_changed_cookie(server: Target, cookie: str, at: int, what: str, length: int, twice: bool) -> None:
    mine = _known(server, cookie)
    assert len(mine) == 1
    at %= len(cookie)
    changed = cookie[:at] + what + cookie[at + length :]
    if twice:
        changed = f"{changed}; {changed[::-1]}"
    named = _known(server, changed)
    assert named in ([], mine)
    content, _, _ = cookie.partition("=")[2].rpartition(".")
    if content not in changed:
        assert named == []
    ran("cookies", 6)


@settings(max_examples=80 * TIMES)
@given(cookie=st.text(characters, max_size=200), name=st.sampled_from(["com.sixsq.nuvla.cookie", "", "x"]))
def test_any_cookie(server: Target, cookie: str, name: str) -> None:
    assert _known(server, f"{name}={cookie}") == []
    answer = server.send("GET", "/", headers={"cookie": f"{name}={cookie}"})
    assert answer is not None
    assert answer.status == 303
    ran("cookies", 6)


@settings(max_examples=80 * TIMES)
@given(token=st.text(max_size=60))
def test_any_sign_in_link(server: Target, token: str) -> None:
    from urllib.parse import quote

    answer = server.send("GET", f"/sign-in?token={quote(token)}")
    assert answer is not None
    assert "set-cookie" not in answer.headers
    ran("sign-in links", 5)
