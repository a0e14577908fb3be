"""Who may see what: signing in and out, the rights of others, forms that other sites send."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.engine import WITHIN, Engine, Looks
from tests.integration.running import unique

COOKIE = "com.com.sixsq.nuvla.cookie"


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def sessions(page: Page) -> list[Any]:
    """The cookies of sessions; that which says that the browser is known stays after a sign-out."""
    return [cookie for cookie in page.context.cookies() if cookie["name"] == COOKIE]


def admin(engine: Engine) -> tuple[str, str]:
    found = tomllib.loads((engine.data / "admin.toml").read_text())
    return found["username"], found["password"]


def test_by_password_in_and_out(engine: Engine, visit: Callable[..., Page], looks: Looks) -> None:
    job = engine.client.submit("noop")
    page = visit(f"/{job.id}")
    name, password = admin(engine)
    sign_in(page, name, "wrong")
    expect(page.get_by_role("alert")).to_have_text("This name and password do not go together.")
    looks.complaints.clear()  # the browser says that it was a 403
    sign_in(page, name, password)
    expect(page).to_have_url(f"{engine.url}/{job.id}")
    (cookie,) = sessions(page)
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Lax")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert sessions(page) == []
    page.context.add_cookies([{"name": COOKIE, "value": cookie["value"], "url": engine.url}])
    page.goto(engine.url)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_by_a_link_that_is_good_once(engine: Engine, visit: Callable[..., Page], looks: Looks) -> None:
    link = f"/sign-in?token={engine.client.sign_in_token()}"
    page = visit(link)
    expect(page).to_have_url(f"{engine.url}/")
    expect(page.locator(".user")).to_have_text("admin")
    page.goto(f"{engine.url}{link}")  # in the same browser: it is signed in already
    expect(page).to_have_url(f"{engine.url}/")
    other = visit(link)
    expect(other.get_by_role("alert")).to_contain_text("expired or was used")
    looks.complaints.clear()


def test_where_a_sign_in_leads_is_a_page_of_ours(engine: Engine, visit: Callable[..., Page]) -> None:
    page = visit("/sign-in?next=//example.org/")
    sign_in(page, *admin(engine))
    expect(page).to_have_url(f"{engine.url}/")


def test_others_see_what_their_rights_say(engine: Engine, page: Page, visit: Callable[..., Page], looks: Looks) -> None:
    name = unique("mia")
    template = {"href": "user-template/username-password", "username": name, "password": "mia's secret"}
    mia = page.request.post(f"{engine.url}/api/user", data={"template": template}).json()["resource-id"]
    acl = {"owners": ["group/nuvla-admin"], "view-data": [mia]}
    shared = page.request.post(f"{engine.url}/api/job", data={"action": "noop", "name": "shared", "acl": acl}).json()
    meta = {"owners": ["group/nuvla-admin"], "view-meta": [mia]}
    named = page.request.post(f"{engine.url}/api/job", data={"action": "noop", "name": "named", "acl": meta}).json()
    secret = engine.client.submit("noop", name="secret")
    page = visit()
    sign_in(page, name, "mia's secret")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("tbody tr", has_text="shared").get_by_role("cell").nth(3).click()  # anywhere in the row
    expect(page).to_have_url(f"{engine.url}/{shared['resource-id']}")
    expect(page.locator(".history")).to_be_visible()
    expect(page.locator(".head .buttons")).to_have_count(0)
    page.goto(f"{engine.url}/{named['resource-id']}")
    expect(page.locator("main")).to_contain_text("named")
    expect(page.locator("main")).to_contain_text("and no more")
    expect(page.locator(".badge, .log, .history")).to_have_count(0)
    page.goto(f"{engine.url}/{secret.id}")
    expect(page.locator("main")).not_to_contain_text("secret")
    expect(page.locator("main")).to_contain_text("who has no right to do or to see this")
    page.goto(f"{engine.url}/distributions")
    expect(page.locator("main")).to_contain_text("job-engine-viewer may do this (query of distribution)")
    expect(page.locator("main")).to_contain_text(f"You are signed in as {name}")
    looks.complaints.clear()  # the browser says that it was a 403


def test_somebody_without_a_job_to_see_is_not_sent_to_a_terminal(
    engine: Engine, page: Page, visit: Callable[..., Page]
) -> None:
    name = unique("noa")
    template = {"href": "user-template/username-password", "username": name, "password": "noa's secret"}
    page.request.post(f"{engine.url}/api/user", data={"template": template})
    page = visit()
    sign_in(page, name, "noa's secret")
    expect(page.locator("main")).to_contain_text("No job that you may see")
    expect(page.locator("main")).not_to_contain_text("job-engine submit")


def test_a_page_that_is_open_when_its_session_ends(engine: Engine, visit: Callable[..., Page], looks: Looks) -> None:
    page = visit(f"/sign-in?token={engine.client.sign_in_token()}")
    expect(page.locator("#live")).to_have_text("live")
    session = page.request.get(f"{engine.url}/api/session").json()["resources"][0]["id"]
    page.request.delete(f"{engine.url}/api/{session}")
    engine.client.submit("noop")  # something to look at
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    looks.complaints.clear()  # the stream may have been refused meanwhile


def test_forms_of_other_sites_change_nothing(page: Page, engine: Engine) -> None:
    job = engine.client.submit("noop", delay=3600)
    page.goto(f"{engine.url}/{job.id}/cancel")
    token = page.locator("main [name=token]").input_value()
    url = f"{engine.url}/{job.id}/cancel"
    assert page.request.post(url, form={}).status == 403
    assert page.request.post(url, form={"token": "0" * len(token)}).status == 403
    abroad = page.request.post(url, form={"token": token}, headers={"origin": "https://example.org"}, max_redirects=0)
    assert abroad.headers["location"].endswith("sign-in")  # nobody, whatever cookie comes with it
    page.request.post(url, form={"token": token}, headers={"sec-fetch-site": "cross-site"})
    assert job.state == "QUEUED"
    page.request.post(url, form={"token": token})
    assert job.state == "CANCELED"


def test_pages_allow_nothing_but_themselves(page: Page, engine: Engine) -> None:
    job = engine.client.submit("noop")
    for path in ("/", f"/{job.id}", "/executors", "/sign-in", "/nowhere", f"/{job.id}/cancel"):
        answer = page.request.get(f"{engine.url}{path}")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in answer.headers["cache-control"]
        text = answer.text()
        assert " style=" not in text
        assert "<style" not in text
        assert " onclick" not in text


def test_without_javascript(engine: Engine, visit: Callable[..., Page], signed_in: Path) -> None:
    page = visit("/", java_script_enabled=False)
    sign_in(page, *admin(engine))
    name = unique("without script")
    job = engine.client.submit("forever", name=name)
    engine.client.wait_for(job, WITHIN, updated=job.document["updated"])
    page.goto(engine.url)
    page.get_by_label("Filter").fill(f"name='{name}'")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody a").click()
    page.get_by_role("link", name="Cancel…").click()
    expect(page.get_by_role("heading")).to_have_text("Cancel this job?")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".head .badge")).to_have_text("CANCELED")
    page.get_by_role("button", name="Run again").click()
    expect(page.locator(".facts")).to_contain_text("Retry of")
    engine.client.cancel(page.url.removeprefix(f"{engine.url}/"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_link_that_up_prints(visit: Callable[..., Page], engine: Engine) -> None:
    page = visit(engine.link.removeprefix(engine.url))
    expect(page).to_have_url(f"{engine.url}/")
    expect(page.locator(".user")).to_have_text("admin")
