"""The ids of jobs as people type them: whole, their beginning, or their end, as the page shows it."""

import re
from typing import Final

from job_engine.client import Client
from job_engine.client.handle import job_id
from job_engine.job.errors import Invalid, NotFound

_WHOLE: Final = re.compile(r"job/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_END: Final = re.compile(r"[0-9a-f]{4,12}")
LOOKED_AT: Final = 10_000
"""The newest jobs, among which an end is looked for: the API searches beginnings only, and lists that many."""


def whole_id(client: Client, text: str) -> str:
    """The id that ``text`` is, or begins; else the one of the newest jobs that it ends.

    Raises:
        Invalid: it is none, or begins or ends several.
        NotFound: it begins and ends none.
    """
    typed = job_id(text)
    if _WHOLE.fullmatch(typed):
        return typed
    found = client.jobs(f'id="{typed}" or id^="{typed}"', select=["id"], last=2)
    if not found and _END.fullmatch(end := typed.removeprefix("job/")):
        newest = client.jobs(select=["id"], orderby="created:desc", last=LOOKED_AT)
        found = [job for job in newest if job.id.endswith(end)]
    if not found:
        raise NotFound(f"there is no job {text}; look for it with: job-engine jobs")
    if len(found) > 1:
        raise Invalid(f"several jobs have {text} in their id; type more of it")
    return found[0].id
