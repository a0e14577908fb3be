"""The page of executors: those that are alive, and their actions."""

from starlette.requests import Request
from starlette.responses import Response

from job_engine.dashboard import record
from job_engine.dashboard.page import render


async def show(request: Request) -> Response:
    """``GET /executors``."""
    found = await record.get(request.state.visitor, "executor")
    executors = sorted(found["resources"], key=lambda executor: (executor.get("name", ""), executor["id"]))
    return render(request, "executors.html", executors=executors)
