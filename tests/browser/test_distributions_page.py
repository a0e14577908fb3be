"""The page of the distributions, and what one can do to them there."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.engine import Engine, Looks


@pytest.fixture
def distributions(page: Page, engine: Engine) -> Page:
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Distributions").click()
    expect(page).to_have_url(f"{engine.url}/distributions")
    expect(page.get_by_role("heading", level=1)).to_have_text("Distributions")
    return page


def card(page: Page, name: str) -> Locator:
    return page.locator(f"[data-key='distribution/{name}']")


def test_run_pause_and_resume(distributions: Page, engine: Engine) -> None:
    never = card(distributions, "never")
    expect(never).to_contain_text("0 0 29 2 * Europe/Zurich")
    expect(never).to_contain_text("Makes a job when somebody asks for it.")
    made = int(engine.client.distribution("never")["jobs-made"])
    never.get_by_role("button", name="Pause: never").click()
    expect(never).to_contain_text("paused")
    assert engine.client.distribution("never")["paused"]
    never.get_by_role("button", name="Run now: never").click()  # paused or not
    expect(never).to_contain_text("Last run by hand")
    expect(never.locator("dl")).to_contain_text(f"Jobs made{made + 1}")
    assert engine.client.count("tags='by-hand'") == made + 1
    never.get_by_role("button", name="Resume: never").click()
    expect(never.get_by_role("button", name="Pause: never")).to_be_visible()
    assert not engine.client.distribution("never")["paused"]


def test_an_error_is_shown_as_it_was_said(distributions: Page) -> None:
    broken = card(distributions, "broken")
    broken.get_by_role("button", name="Run now: broken").click()
    expect(broken.locator(".problem")).to_contain_text("no <b>such</b> thing")


def test_a_form_from_elsewhere_does_nothing(distributions: Page, engine: Engine, looks: Looks) -> None:
    for fields in ({}, {"token": "0" * 64}):
        answer = distributions.request.post(f"{engine.url}/distribution/never/pause", form=fields)
        assert answer.status == 403
    assert distributions.request.get(f"{engine.url}/distribution/never/pause").status == 404
    assert not engine.client.distribution("never")["paused"]
    token = distributions.locator("input[name=token]").first.input_value()
    for name in ("never/delete", "nobody/pause"):
        answer = distributions.request.post(f"{engine.url}/distribution/{name}", form={"token": token})
        assert answer.status == 404
