"""The pages for people: one's own account, and what the audit says; on a screen and on a phone."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.engine import Engine
from tests.browser.test_signing_in import sign_in


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("path", ["/", "/executors", "/distributions", "/account", "/audit", "/sign-in"])
def test_no_page_is_wider_than_its_screen(visit: Callable[..., Page], signed_in: Path, path: str, width: int) -> None:
    page = visit(path, storage_state=signed_in, viewport={"width": width, "height": 800})
    expect(page.locator("main")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_new_password_by_keyboard_alone(engine: Engine, visit: Callable[..., Page]) -> None:
    name, password, new = f"jane-{secrets.token_hex(4)}", secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    engine.client.add_user(name, password)
    page = visit("/account")
    sign_in(page, name, password)
    expect(page).to_have_url(f"{engine.url}/account")
    page.get_by_label("Old password").focus()
    for text in (password, new, new):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Change the password")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="password")).to_be_visible()
    other = visit("/account")
    sign_in(other, name, new)
    expect(other.get_by_role("heading", name="Sessions")).to_be_visible()


def test_the_account_is_a_tap_away_on_a_phone(visit: Callable[..., Page], signed_in: Path) -> None:
    page = visit("/", storage_state=signed_in, viewport={"width": 390, "height": 800})
    page.get_by_role("link", name="admin").click()
    expect(page.get_by_role("heading", name="Change the password")).to_be_visible()


def test_the_audit_is_readable_on_a_phone(visit: Callable[..., Page], signed_in: Path) -> None:
    page = visit("/audit", storage_state=signed_in, viewport={"width": 390, "height": 800})
    rows = page.locator(".events tbody tr")
    expect(rows.first).to_be_visible()
    tallest = max(rows.nth(number).bounding_box()["height"] for number in range(min(rows.count(), 10)))  # type: ignore[index]
    assert tallest < 150, "no word stands upright"
