"""The list of jobs: live, filtered, paged, with whatever people put into their jobs."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from job_engine.client import JobHandle
from tests.browser.engine import Engine


def row(page: Page, job: JobHandle) -> Locator:
    return page.locator(f'tr[data-key="{job.id}"]')


def mark(page: Page) -> None:
    """Leave something in the page that a reload would wipe out."""
    page.evaluate("window.marked = true")


def marked(page: Page) -> bool:
    return bool(page.evaluate("window.marked === true"))


def test_a_job_appears_moves_and_ends_in_place(page: Page, engine: Engine, tmp_path: Path) -> None:
    expect(page.locator("#live")).to_have_text("live")
    mark(page)
    job = engine.client.submit("steps", payload={"folder": str(tmp_path)}, target="nuvlabox/42")
    line = row(page, job)
    expect(line.locator(".badge")).to_have_text("RUNNING")
    expect(line).to_contain_text("steps nuvlabox/42")
    for n in (1, 2, 3):
        (tmp_path / str(n)).touch()
        expect(line.locator("progress")).to_have_attribute("value", str(100 * n // 4))
        expect(line.locator(".message")).to_have_text(f"step {n} of 3")
    (tmp_path / "end").touch()
    expect(line.locator(".badge")).to_have_text("SUCCESS")
    expect(line.locator("progress")).to_have_count(0)
    assert marked(page)


def test_the_filter_is_that_of_the_api(page: Page, engine: Engine) -> None:
    name = f"filtered-{uuid.uuid4()}"
    mine, other = engine.client.submit("noop", name=name), engine.client.submit("noop", name="another")
    page.keyboard.press("/")
    expect(page.locator("#filter")).to_be_focused()
    page.keyboard.type(f"name='{name}' and priority>10")
    page.keyboard.press("Enter")
    expect(row(page, mine)).to_be_visible()
    expect(row(page, other)).to_have_count(0)
    expect(page.locator(".states a").first).to_have_text("All 1")
    page.get_by_role("link", name="QUEUED").click()
    expect(page.get_by_text("No job matches.")).to_be_visible()
    expect(page.locator("#filter")).to_have_value(f"name='{name}' and priority>10")
    page.get_by_text("Copy as…").click()
    expect(page.locator(".as-command code.line").first).to_have_text(
        f"""job-engine jobs --data {engine.data} --filter "(name='{name}' and priority>10) and state='QUEUED'\""""
    )
    page.get_by_role("link", name="Clear").click()
    expect(page).to_have_url(f"{engine.url}/?state=QUEUED")


def test_words_in_the_search_box_search(page: Page, engine: Engine) -> None:
    mark = uuid.uuid4().hex
    named = engine.client.submit("noop", name=f"Copy of the {mark} backups")
    target = engine.client.submit("noop", target=f"nuvlabox/{mark}")
    other = engine.client.submit("noop", name="another")
    for typed, jobs in ((mark, [named, target]), (f"backup {mark[:20].upper()}", [named])):
        page.locator("#filter").fill(typed)
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr")).to_have_count(len(jobs))
        for job in jobs:
            expect(row(page, job)).to_be_visible()
        expect(row(page, other)).to_have_count(0)
        expect(page.locator("#filter")).to_have_value(typed)


def test_a_wrong_filter_is_explained_in_one_line(page: Page) -> None:
    page.locator("#filter").fill("progress >> 5")
    page.keyboard.press("Enter")
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("character 11")
    box = problem.bounding_box()
    assert box is not None
    assert box["height"] < 45
    expect(page.locator("#filter")).to_have_value("progress >> 5")


def test_pages_of_the_list(page: Page, engine: Engine) -> None:
    name = f"many-{uuid.uuid4()}"
    jobs = engine.client.submit_many("noop", [{}] * 60, name=name)
    page.goto(f"{engine.url}/?filter=name%3D%27{name}%27")
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(row(page, jobs[-1])).to_be_visible()
    expect(page.locator(".pager span")).to_have_text(re.compile("^1.50 of 60$"))
    page.get_by_role("link", name="Older").click()
    expect(page.locator("tbody tr")).to_have_count(10)
    expect(row(page, jobs[0])).to_be_visible()
    page.get_by_role("link", name="Newer").click()
    expect(page.locator("tbody tr")).to_have_count(50)


def test_rows_by_keyboard(page: Page, engine: Engine) -> None:
    name = f"keys-{uuid.uuid4()}"
    jobs = engine.client.submit_many("noop", [{}] * 3, name=name)
    page.goto(f"{engine.url}/?filter=name%3D%27{name}%27")
    for key in "jjjk":
        page.keyboard.press(key)
    expect(row(page, jobs[1]).locator("a")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{engine.url}/{jobs[1].id}")


def test_nothing_that_jobs_say_becomes_markup(page: Page, engine: Engine) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"&amp;"
    job = engine.client.submit(
        "says", payload={"message": evil, "lines": [evil]}, name=evil, description=evil, tags=[evil]
    )
    missing = engine.client.submit(f"no_{evil}"[:255], delay=3600)
    expect(row(page, job).locator(".badge")).to_have_text("SUCCESS")
    expect(row(page, job).locator(".message")).to_have_text(evil)
    expect(row(page, missing).locator(".what a")).to_have_text(f"no_{evil}")
    for shown in (job, missing):
        page.goto(f"{engine.url}/{shown.id}")
        expect(page.locator("main")).to_contain_text(evil)
        expect(page.locator("main img, main script")).to_have_count(0)
        assert "owned" not in page.title().split(" · ")
    page.goto(f"{engine.url}/?filter={evil}")
    expect(page.locator("#filter")).to_have_value(re.compile("^<img"))
    expect(page.locator("main img, main script")).to_have_count(0)


def test_executors(page: Page) -> None:
    page.get_by_role("link", name="Executors").click()
    executor = page.locator(".executors .card")
    expect(executor).to_have_count(1)
    expect(executor).to_contain_text("of 4 slots")
    expect(executor.locator(".actions code", has_text="forever")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 700])
def test_no_page_is_wider_than_a_small_screen(
    visit: Callable[..., Page], signed_in: Path, engine: Engine, width: int
) -> None:
    waiting = engine.client.submit("noop", name="long " * 40, delay=3600, target=f"nuvlabox/{uuid.uuid4()}")
    engine.client.submit("an_action_with_a_name_that_does_not_end_" * 5, delay=3600)
    bulk = engine.client.submit("bulk-gated", payload={"folder": "/nowhere", "names": ["bad-element" * 10, "good"]})
    page = visit(storage_state=signed_in, viewport={"width": width, "height": 800})
    for path in ("/", "/?filter=name%3D1", "/executors", "/distributions", f"/{bulk.id}", f"/{waiting.id}/cancel"):
        page.goto(f"{engine.url}{path}")
        expect(page.locator("main")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    engine.client.cancel(bulk.id)
