"""Actions that leave something behind in their process, and one to which that matters."""

import io
import logging
import logging.config
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from job_engine import Job, action


@action
def talk(job: Job) -> dict[str, Any]:
    """Says three lines, and what it finds."""
    print("printed")
    logging.getLogger("library").warning("logged")
    job.logger.info("told by job.logger")
    umask = os.umask(0o022)
    os.umask(umask)
    return {"folder": os.getcwd(), "left": os.environ.get("LEFT"), "path": "PATH" in os.environ, "umask": umask}


@action
def leave(what: str) -> None:
    """Changes its process for all that come after it."""
    match what:
        case "handlers":
            logging.basicConfig(force=True, level=logging.INFO, filename=os.devnull)
        case "levels":
            logging.disable(logging.CRITICAL)
        case "loggers":
            logging.config.dictConfig({"version": 1})
        case "output":
            sys.stdout = sys.stderr = io.StringIO()
        case "folder":
            os.chdir("/")
        case "gone":
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
        case "environment":
            os.environ["LEFT"] = "behind"
            del os.environ["PATH"]
        case "umask":
            os.umask(0o077)


@action
def redirects(folder: str) -> str:
    """Redirects standard output as long as it runs, and puts it back itself."""
    before, sys.stdout = sys.stdout, io.StringIO()
    (Path(folder) / "redirected").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)
    print("kept")
    kept = sys.stdout.getvalue()
    sys.stdout = before
    return kept
