"""The ids of jobs as people type them: whole, or their beginning."""

import re
from typing import Final

from job_engine.client import Client
from job_engine.client.client import job_id
from job_engine.job.errors import Invalid, NotFound

_WHOLE: Final = re.compile(r"job/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def whole_id(client: Client, text: str) -> str:
    """The id that ``text`` is, or begins.

    Raises:
        Invalid: it is none, or begins several.
        NotFound: it begins none.
    """
    typed = job_id(text)
    if _WHOLE.fullmatch(typed):
        return typed
    found = client.jobs(f'id="{typed}" or id^="{typed}"', select=["id"], last=2)
    if not found:
        raise NotFound(f"there is no job {text}; look for it with: job-engine jobs")
    if len(found) > 1:
        raise Invalid(f"several jobs begin with {text}; type more of the id")
    return found[0].id
