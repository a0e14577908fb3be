"""The routes of the pages. All links are relative, so the server may run behind any path prefix."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from job_engine.dashboard import account, audit, distributions, executors, job, job_operations, jobs, signing
from job_engine.dashboard.assets import static
from job_engine.dashboard.page import page
from job_engine.job.errors import NotFound


def routes() -> list[BaseRoute]:
    """The pages, for `job_engine.api.make_app`. The last of them answers whatever no other does."""
    return [
        Route("/", page(jobs.show)),
        Route("/executors", page(executors.show)),
        Route("/audit", page(audit.show)),
        Route("/distributions", page(distributions.show)),
        Route("/distribution/{name}/{operation:str}", page(distributions.do), methods=["POST"]),
        Route("/job/{uuid}", page(job.show)),
        Route("/job/{uuid}/log", page(job.log)),
        Route("/job/{uuid}/{operation:str}", page(job_operations.ask), methods=["GET"]),
        Route("/job/{uuid}/{operation:str}", page(job_operations.do), methods=["POST"]),
        Route("/account", page(account.show)),
        Route("/account/password", page(account.change_password), methods=["POST"]),
        Route("/account/end-sessions", page(account.end_sessions), methods=["POST"]),
        Route("/sign-in", page(signing.form, public=True), methods=["GET"]),
        Route("/sign-in", page(signing.sign_in, public=True), methods=["POST"]),
        Route("/sign-out", page(signing.sign_out), methods=["POST"]),
        Route("/static/{name}", static),
        Route("/{path:path}", page(_nowhere, public=True)),
    ]


async def _nowhere(request: Request) -> Response:
    raise NotFound(f"there is no page at {request.url.path}")
