"""Names of users: written in one way, and none that looks like another one's by its case or its blanks."""

import unicodedata
from typing import Final

from job_engine.job.errors import Invalid

LIMIT: Final = 255
"""Characters of a name, and likewise of a password."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of what cannot be seen, or turns what stands beside it around."""


def normal(name: str) -> str:
    """A name as it is kept: in Unicode's form NFKC, with single blanks and none at its ends.

    Raises:
        Invalid: nothing is left, it is too long, or it has characters that cannot be seen.
    """
    text = unicodedata.normalize("NFKC", name)
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        raise _wrong("without control characters and others that cannot be seen")
    text = " ".join(text.split())
    if not 0 < len(text) <= LIMIT:
        raise _wrong(f"of 1 to {LIMIT} characters that are no blanks")
    return text


def folded(name: str) -> str:
    """What names have in common that look alike."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(unicodedata.normalize("NFKC", text).split())


def _wrong(what: str) -> Invalid:
    return Invalid(f"attribute 'name' does not satisfy defined schema: it must be a text {what}", "name")
