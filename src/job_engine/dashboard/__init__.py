"""Pages over the API: server-rendered, with one small ES module that keeps them live."""

from job_engine.dashboard.routes import routes

__all__ = ["routes"]
