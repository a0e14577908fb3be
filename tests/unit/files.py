"""Files that a test writes."""

import textwrap
from pathlib import Path


def write(path: str, source: str) -> Path:
    """A file in the current folder; its folders are made."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(source))
    return file
