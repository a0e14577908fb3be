"""Write docs/jobs-page.png: the page of an engine's jobs in Chromium. Needs what the browser tests need."""

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from job_engine.client import Client

ROOT = Path(__file__).parents[1]
ACTIONS = """
from job_engine import Job, action

@action
def backup(job: Job, percent: int = 0, say: str = "") -> None:
    job.set_progress(percent)
    job.set_status_message(say)
    if percent < 100:
        job.interrupted.wait()

@action
def resize(job: Job) -> None:
    raise ValueError("no room left on volume data-3")
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        actions, data = Path(folder) / "actions.py", Path(folder) / "data"
        actions.write_text(ACTIONS)
        command = [sys.executable, "-m", "job_engine.cli", "up", "--data", str(data), "--port", "0"]
        command += ["--shutdown-timeout", "1", "--actions", str(actions)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
            assert up.stdout is not None
            try:
                url = next(line for line in up.stdout if "sign-in?token" in line).split()[-1]
                fill(data)
                take(url)
            finally:
                up.terminate()


def fill(data: Path) -> None:
    """Add jobs of every state."""
    with Client(data=data) as client:
        for n in range(4):
            client.submit(
                "backup", payload={"percent": 100, "say": f"{(n + 3) * 812} files"}, target=f"volume/data-{n}"
            )
        client.wait_for(client.submit("resize", target="volume/data-3"), 15)
        client.submit("noop", name="nightly report", delay=3600).cancel()
        first = client.submit("backup", payload={"percent": 64, "say": "2114 of 3302 files"}, target="volume/home")
        client.submit("backup", payload={"percent": 20, "say": "160 of 800 files"}, target="volume/mail")
        client.submit("noop", name="announce that backups are done", after=[first.id])
        client.submit("noop", name="weekly report", delay=86400)


def take(url: str) -> None:
    """Take the picture once all that runs shows how far it is."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 620})
        page.goto(url)
        page.locator("progress").nth(1).wait_for()
        page.screenshot(path=ROOT / "docs" / "jobs-page.png")
        browser.close()


if __name__ == "__main__":
    main()
