"""The page of one job: its log as it grows, what it made, and what one can do to it."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from job_engine.client.handle import JobFailed
from job_engine.job.states import State
from tests.browser.engine import WITHIN, Engine, Looks


def test_the_log_grows_and_the_result_comes(page: Page, engine: Engine, tmp_path: Path) -> None:
    job = engine.client.submit("steps", payload={"folder": str(tmp_path), "count": 2})
    page.goto(f"{engine.url}/{job.id}")
    expect(page.locator(".head .badge")).to_have_text("RUNNING")
    page.get_by_text("Document", exact=True).click()
    (tmp_path / "1").touch()
    expect(page.locator(".log li")).to_have_count(1)
    expect(page.locator(".log")).to_contain_text("did step 1")
    expect(page.locator(".head progress")).to_have_attribute("value", "33")
    (tmp_path / "2").touch()
    expect(page.locator(".log li span")).to_have_text(["did step 1", "did step 2"])
    (tmp_path / "end").touch()
    expect(page.locator(".head .badge")).to_have_text("SUCCESS")
    expect(page.locator("[data-key=result] pre")).to_contain_text('"steps": 2')
    expect(page.locator(".history li")).to_have_count(2)
    expect(page.locator(".history li").first).to_contain_text("attempt 1 succeeded")
    expect(page.locator("[data-key=document] pre")).to_contain_text('"state": "SUCCESS"')  # open since before
    expect(page).to_have_title("SUCCESS · steps · " + job.id[-8:] + " · job-engine")


def test_why_a_job_does_not_run(page: Page, engine: Engine) -> None:
    job = engine.client.submit("noop", delay=3600)
    page.goto(f"{engine.url}/{job.id}")
    reason = page.locator(".reason")
    expect(reason).to_contain_text("Why is it not running?")
    expect(reason.locator("[data-ok=no]")).to_have_count(1)
    expect(reason.locator("[data-ok=no]")).to_contain_text("not-before")


def test_cancel_a_running_job(page: Page, engine: Engine) -> None:
    job = engine.client.submit("forever")
    page.goto(f"{engine.url}/{job.id}")
    expect(page.locator(".head .badge")).to_have_text("RUNNING")
    page.get_by_role("link", name="Cancel…").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Cancel this job?")
    dialog.get_by_role("button", name="Keep it as it is").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("link", name="Cancel…").click()
    dialog.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator(".head .badge")).to_have_text("CANCELED")
    assert job.state == State.CANCELED
    expect(page.locator(".history li").first).to_contain_text("canceled")


def test_a_failed_job_is_read_run_again_and_deleted(page: Page, engine: Engine) -> None:
    job = engine.client.submit("breaks", payload={"what": "out of cheese"})
    with pytest.raises(JobFailed):
        job.wait(WITHIN)
    page.goto(f"{engine.url}/{job.id}")
    expect(page.locator("#message")).to_have_text("ValueError: out of cheese")
    expect(page.locator(".log")).to_contain_text("Traceback")
    page.get_by_role("button", name="Run again").click()
    expect(page.locator(".facts")).to_contain_text("Retry of")
    again = page.url.removeprefix(f"{engine.url}/")
    assert engine.client.document(again)["retry-of"] == job.id
    expect(page.locator(".head .badge")).to_have_text("FAILED")
    page.get_by_role("link", name="Delete…").click()
    page.locator("dialog[open]").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(f"{engine.url}/")
    assert engine.client.count(f"id='{again}'") == 0


def test_run_again_sent_twice_adds_one_job(page: Page, engine: Engine) -> None:
    job = engine.client.submit("noop")
    job.wait(WITHIN)
    page.goto(f"{engine.url}/{job.id}")
    form = page.locator("form[action$='/retry']")
    fields = {name: form.locator(f"[name={name}]").input_value() for name in ("token", "key")}
    answers = [page.request.post(f"{engine.url}/{job.id}/retry", form=fields) for _ in range(2)]
    assert answers[0].url == answers[1].url != f"{engine.url}/{job.id}"


def test_a_job_that_is_not_there(page: Page, engine: Engine, looks: Looks) -> None:
    page.goto(f"{engine.url}/job/00000000-0000-0000-0000-000000000000")
    expect(page.locator("main")).to_contain_text("not found")
    assert [text for text in looks.complaints if "404" not in text] == []
    looks.complaints.clear()
