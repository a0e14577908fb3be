"""Writes reference.md from the docstrings of the public names: ``python docs/make_reference.py``, or ``./dev docs``."""

import logging
import re
from pathlib import Path
from typing import Any, Final

from griffe import GriffeLoader
from griffe2md import ConfigDict, render_object_docs

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "reference.md"
NAMES: Final = {
    "Actions": (
        "actions.action.action", "actions.action.Action", "actions.submit.SubmitOptions", "actions.job.Job",
        "actions.interruption.Interruption", "actions.bulk.BulkAction",
        "actions.errors.Failed", "actions.errors.Skipped", "actions.errors.Interrupted",
        "actions.errors.JobUpdateError",
    ),
    "Clients": (
        "client.client.Client", "job.options.JobOptions", "client.handle.JobHandle", "client.handle.JobFailed",
        "client.handle.JobCanceled",
    ),
    "Distributions": ("distributor.distribution.distribution", "distributor.tick.Tick"),
    "Tests": ("testing.run.run_action", "testing.run.Ran"),
    "Errors": tuple(
        f"job.errors.{name}"
        for name in ("JobEngineError", "Invalid", "NotFound", "Conflict", "Forbidden", "Unreachable", "Unavailable")
    ),
}  # fmt: skip
"""The public names by subject, each where it is defined."""
CONFIG: Final = ConfigDict(
    docstring_section_style="list", docstring_style="google", heading_level=3, members_order="source",
    separate_signature=True, show_if_no_docstring=False, show_root_full_path=False, show_object_full_path=False,
    show_signature_annotations=True, summary=False, filters=["!^_"],
)  # fmt: skip
LINK: Final = re.compile(r"\[([^\]\[]+)\]\(#[^)]*\)")
MEMBER: Final = re.compile(r"^(#{4,} `)job_engine\.[a-z_.]*([A-Za-z_]+\.)", re.MULTILINE)
INTRODUCTION: Final = """# The Python interface

Made from the docstrings by `./dev docs`: do not edit it. How to use all this is in [Writing actions](actions.md),
[Distributions](distributions.md) and [Guarantees](guarantees.md). Import the names from `job_engine`, `run_action` from
`job_engine.testing`.
"""


def reference() -> str:
    """The whole page."""
    logging.getLogger("griffe").setLevel(logging.ERROR)  # two parameters in one entry: it warns, and shows them well
    loader = GriffeLoader(docstring_parser="google", search_paths=[ROOT / "src"])
    package = loader.load("job_engine")
    loader.resolve_aliases()
    parts = [INTRODUCTION]
    for subject, names in NAMES.items():
        parts.append(f"## {subject}\n")
        parts += [_section(package[name]) for name in names]
    return "\n".join(parts).rstrip() + "\n"


def _section(thing: Any) -> str:
    text = LINK.sub(r"\1", render_object_docs(thing, CONFIG))
    text = re.sub(r"</?code>", "`", text)
    text = MEMBER.sub(r"\1\2", text)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.splitlines())).strip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference())
