"""Which passwords people may have: long ones, and none that is tried first."""

import string
from typing import Final

from job_engine.api.names import folded
from job_engine.job.errors import Invalid

MINIMUM: Final = 12
"""Characters of a password; a few words in a row have more."""
COMMON: Final = frozenset(
    """
    password passwort passphrase passcode motdepasse contrasena mypassword newpassword thepassword
    qwerty qwertz azerty asdf qwertyuiop asdfghjkl zxcvbnm letmein welcome hello hallo login access
    admin administrator root superuser sysadmin operator manager guest user test testtest demo example
    changeme changethis changeit default secret topsecret private security internet computer server
    iloveyou monkey dragon football baseball basketball soccer hockey superman batman spiderman princess
    sunshine starwars pokemon master shadow trustno michael jessica charlie liverpool chelsea arsenal
    whatever nothing summer winter spring autumn january december monday friday london berlin paris
    jobengine nuvla nuvlaedge sixsq correcthorsebatterystaple
    """.split()
)
"""What people take most, without what they put around it: digits and signs, or the same once more."""
_ROWS: Final = (
    string.ascii_lowercase * 2,
    string.digits * 4,
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1234567890qwertyuiop",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm",
)
"""What fingers and children do in a row."""
_SHORT: Final = 4
"""Characters that, however often they are repeated, are no more than themselves."""
_SIGNS: Final = str.maketrans("@4031!5$7", "aaoeiisst")


def checked(password: str, name: str) -> str:
    """The password, if it is none that is guessed at once.

    Args:
        name: of the user.

    Raises:
        Invalid: it is too short, the name, or one of the most common.
    """
    if len(password) < MINIMUM:
        raise _wrong(f"it must have {MINIMUM} characters or more; take a few words")
    text = folded(password)
    if text == folded(name) or (_core(text) and _core(text) == _core(folded(name))):
        raise _wrong("it must not be the user's name")
    row = any(text in one or text[::-1] in one for one in _ROWS)
    if row or len(_unit(text)) <= _SHORT or _core(text) in COMMON:
        raise _wrong("it is one that is tried first; take a few words")
    return password


def _core(text: str) -> str:
    """What is left of a password without digits and signs around it, signs for letters, and repetitions."""
    return _unit(text.strip(string.digits + string.punctuation).translate(_SIGNS))


def _unit(text: str) -> str:
    """What a text repeats, perhaps not to its end; the text itself if it does not."""
    return next((text[:n] for n in range(1, len(text)) if (text[:n] * (len(text) // n + 1)).startswith(text)), text)


def _wrong(what: str) -> Invalid:
    return Invalid(f"attribute 'password' does not satisfy defined schema: {what}", "password")
