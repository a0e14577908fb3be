"""The page of a bulk job: its family as a tree, and what became of its elements."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from job_engine.client.handle import JobFailed
from tests.browser.engine import WITHIN, Engine


def test_a_family_grows_and_ends(page: Page, engine: Engine, tmp_path: Path) -> None:
    names = ["good", "bad", "other"]
    job = engine.client.submit("bulk-gated", payload={"folder": str(tmp_path), "names": names})
    page.goto(f"{engine.url}/{job.id}")
    children = page.locator(".tree ul > li")
    expect(children).to_have_count(3)
    expect(page.locator(".tree")).to_contain_text("module/good")
    counts = page.locator(".elements [data-count]")
    expect(page.locator("[data-count=running] dd")).to_have_text("3")
    (tmp_path / "bad").touch()
    expect(page.locator("[data-count=failed] dd")).to_have_text("1")
    expect(children.locator(".badge[data-state=FAILED]")).to_have_count(1)
    expect(page.locator(".head progress")).to_have_attribute("value", "33")
    (tmp_path / "good").touch()
    (tmp_path / "other").touch()
    expect(page.locator(".head .badge")).to_have_text("FAILED")
    expect(page.locator("#message")).to_have_text("2 of 3 done, 1 failed: the <b>disk</b> is full")
    expect(counts).to_have_count(2)
    row = page.locator(".causes tbody tr")
    expect(row.locator("td").first).to_have_text("the <b>disk</b> is full")
    row.get_by_role("link", name="module/bad").click()
    expect(page.locator(".jobs tbody tr")).to_have_count(1)
    page.locator(".jobs .what a").click()
    expect(page.locator(".head .badge")).to_have_text("FAILED")
    expect(page.locator(".tree [aria-current]")).to_have_text("gated")
    page.locator(".tree > li > span a").click()
    expect(page).to_have_url(f"{engine.url}/{job.id}")
    page.get_by_role("navigation", name="Children by state").get_by_role("link", name="SUCCESS").click()
    expect(page.locator(".jobs tbody tr")).to_have_count(2)


def test_of_a_large_family_the_first_are_shown(page: Page, engine: Engine, tmp_path: Path) -> None:
    names = [f"bad-{n}" for n in range(105)]
    for name in names:
        (tmp_path / name).touch()
    job = engine.client.submit("bulk-gated", payload={"folder": str(tmp_path), "names": names})
    with pytest.raises(JobFailed, match="0 of 105 done, 105 failed"):
        job.wait(WITHIN)
    page.goto(f"{engine.url}/{job.id}")
    expect(page.locator(".tree ul > li")).to_have_count(101)
    expect(page.locator(".causes")).to_contain_text("and 100 more")
    page.get_by_role("link", name="5 more").click()
    expect(page.locator(".pager")).to_contain_text("of 105")


def test_a_job_without_a_family_has_none(page: Page, engine: Engine) -> None:
    job = engine.client.submit("noop")
    page.goto(f"{engine.url}/{job.id}")
    expect(page.locator(".head .badge")).to_have_text("SUCCESS")
    expect(page.locator(".family, .elements")).to_have_count(0)


def test_a_skipped_element_leads_to_what_exists(page: Page, engine: Engine) -> None:
    made = page.request.post(f"{engine.url}/api/module", data={"name": "there"}).json()["resource-id"]
    job = engine.client.submit("bulk-skips", payload={"ids": [made, "module/gone"]})
    page.goto(f"{engine.url}/{job.id}")
    named = page.locator(".causes .named")
    expect(named).to_contain_text("module/gone")
    expect(named.get_by_role("link")).to_have_count(1)
    link = named.get_by_role("link", name=made).get_attribute("href")
    assert page.request.get(f"{engine.url}/job/{link}").json()["id"] == made


def test_jobs_that_wait_for_each_other_are_links(page: Page, engine: Engine) -> None:
    first = engine.client.submit("noop", name="first", delay=3600)
    second = engine.client.submit("noop", name="second", after=[first.id])
    page.goto(f"{engine.url}/{first.id}")
    card = page.locator(".waiting")
    expect(card).to_contain_text("Waiting for this job")
    card.get_by_role("link").click()
    expect(page).to_have_url(f"{engine.url}/{second.id}")
    expect(card).to_contain_text("Waits for")
    expect(card).to_contain_text("first")
    card.get_by_role("link").click()
    expect(page).to_have_url(f"{engine.url}/{first.id}")
    engine.client.cancel(first.id)
    page.goto(f"{engine.url}/{second.id}")
    expect(card).to_contain_text("Waited for")
    expect(card.locator(".badge")).to_have_text("CANCELED")


def test_the_history_names_the_executor(page: Page, engine: Engine) -> None:
    (executor,) = engine.client.executors()
    job = engine.client.submit("noop")
    page.goto(f"{engine.url}/{job.id}")
    expect(page.locator(".history code").first).to_have_text(executor.name)
