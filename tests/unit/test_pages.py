"""Links in the project's pages lead somewhere: to a file that exists, and to a heading that the file has; and the
Python reference is that of the code."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("bench", "deploy", "docs", "examples")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])

FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:")


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The names that code hosts give to headings: lower case, words joined by hyphens, punctuation gone."""
    titles = [LINK.sub("", title).replace("`", "") for title in HEADING.findall(prose(page))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    return [inline or reference for inline, reference in LINK.findall(CODE.sub("", prose(page)))]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in links(page):
        if ELSEWHERE.match(link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.is_relative_to(ROOT) or not target.exists():
            dead.append(f"{link}: no such file")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            dead.append(f"{link}: no such heading")
    assert not dead


def test_the_python_reference_is_that_of_the_code() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))
    assert made["PAGE"].read_text() == made["reference"](), "make it anew: ./dev docs"
    import job_engine

    named = {name.rpartition(".")[2] for names in made["NAMES"].values() for name in names}
    assert set(job_engine.__all__) <= named
