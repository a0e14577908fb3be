"""A server that looks like Nuvla's, in a thread, and real programs beside it."""

import base64
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import Cookie, LWPCookieJar
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import uvicorn
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError, NotEmptyError
from kazoo.recipe.queue import LockingQueue

from job_engine.api import ServerSettings, make_app
from job_engine.api.declared_types import NUVLA, read
from job_engine.client import Client
from tests.integration.running import WITHIN, eventually
from tests.nuvla import NuvlaLike

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
APP = ROOT / "deploy" / "app"
ACTIONS = """
import os
import pathlib

from job_engine import Job, action
from job_engine.actions.errors import Failed


@action
def add(job: Job, a: int, b: int = 1):
    job.set_status_message(f"adding {a} and {b}")
    return a + b


@action("where", pull_mode_support=True)
def where(job: Job):
    job.set_status_message(f"{job.nuvlaedge_shared_path} {job.is_in_pull_mode} {job.api.get(job.id).data['action']}")


@action("wait-for")
def wait_for(job: Job, path: str):
    pathlib.Path(path + ".begun").touch()
    while not pathlib.Path(path).exists():
        if job.interrupted.wait(0.02):
            return None


@action("busy")
def busy(job: Job, path: str):
    notes = pathlib.Path(path)
    with notes.open("a") as said:
        print("begun", file=said)
    progress = 0
    while not notes.with_name(notes.name + ".go").exists():
        progress = progress % 99 + 1
        job.set_progress(progress)
        if job.interrupted.wait(0.02):
            with notes.open("a") as said:
                print(job.interrupted.reason, file=said)
            return


@action("noted")
def noted(job: Job, path: str):
    with open(path, "a") as notes:
        notes.write(job.id + "\\n")
    job.checkpoint = {"noted": True}
    if not pathlib.Path(path + ".died").exists():
        pathlib.Path(path + ".died").touch()
        os.kill(os.getpid(), 9)
    return job.checkpoint


class Returning:
    def __init__(self, job):
        self.job = job
        if job.payload == "raise":
            raise ValueError("no constructor")

    def do_work(self):
        if self.job.payload == "boom":
            raise ValueError("no work")
        return {"none": None, "true": True, "x": "x"}.get(self.job.payload, self.job.payload)


returning = action("returning")(Returning)
"""


class NuvlaServer:
    """The server, its administrator, and the queue as its producer sees it."""

    def __init__(self, folder: Path, host: str, *, nuvla: bool = True) -> None:
        self.folder = folder
        self.host = host
        settings: dict[str, Any] = {"trust_authn_header": (ip_network("127.0.0.1/32"),), "types": read([NUVLA])}
        app = make_app(ServerSettings(database=folder / "record.db", admin_folder=folder, **settings))
        self.like = NuvlaLike(app)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(self.like if nuvla else app, log_level="error", loop="uvloop", proxy_headers=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        eventually(lambda: self._server.started)
        admin = tomllib.loads((folder / "admin.toml").read_text())
        self.user, self.password = admin["username"], admin["password"]
        self.client = Client(self.url, username=self.user, password=self.password, environ={})
        self.actions = folder / "some_actions.py"
        self.actions.write_text(ACTIONS)
        self.kazoo = KazooClient(host)
        self.kazoo.start()
        eventually(self._emptied)  # executors of the test before may still be leaving
        self.queue = LockingQueue(self.kazoo, "/job")

    def _emptied(self) -> bool:
        with contextlib.suppress(NotEmptyError, NoNodeError):
            self.kazoo.delete("/job", recursive=True)
        return self.kazoo.exists("/job") is None

    def close(self) -> None:
        self.kazoo.stop()
        self.kazoo.close()
        self._server.should_exit = True
        self._thread.join(WITHIN)
        self._socket.close()

    def call(self, method: str, path: str, body: Any) -> Any:
        """As the administrator, by header."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN)
        headers = {"nuvla-authn-info": "group/nuvla-admin", "content-type": "application/json"}
        connection.request(method, path, json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        assert response.status < 300, answer
        return answer

    @property
    def credentials(self) -> list[str]:
        return ["--api-url", self.url, "--api-user", self.user, "--api-pass", self.password]

    def add(self, action: str, *, put: bool = True, **attributes: Any) -> Any:
        """A job, with its entry as Nuvla's server writes it."""
        body = {"action": action, **{name.replace("_", "-"): value for name, value in attributes.items()}}
        job = self.client.job(self.call("POST", "/api/job", body)["resource-id"])
        if put:
            self.put(job.id)
        return job

    def put(self, id_: str, priority: int = 100) -> None:
        self.queue.put(id_.encode(), priority)

    def entries(self) -> list[str]:
        return sorted(self.kazoo.get_children("/job/entries"))

    def ended(self, job: Any) -> dict[str, Any]:
        """The document, once it is final and its entry gone."""
        eventually(lambda: self.client.document(job.id)["state"] in ("SUCCESS", "FAILED", "CANCELED"))
        return self.client.document(job.id)

    def cookies(self) -> str:
        """`JOB_COOKIES` of a session of the administrator."""
        from nuvla.api import Api

        api = Api(self.url, insecure=True, persist_cookie=False)
        api.login_password(self.user, self.password)
        return encoded({cookie.name: cookie.value for cookie in api.session.cookies})


def encoded(cookies: dict[str, Any], domain: str = "127.0.0.1") -> str:
    """Cookies as upstream's NuvlaEdge hands them over."""
    jar = LWPCookieJar()
    for name, value in cookies.items():
        jar.set_cookie(
            Cookie(0, name, value, None, False, domain, False, False, "/", True, True, None, True, None, None, {})
        )
    with tempfile.NamedTemporaryFile() as file:
        jar.save(file.name, ignore_discard=True, ignore_expires=True)
        return base64.b64encode(Path(file.name).read_bytes()).decode()


class Program:
    """One program of ours."""

    def __init__(self, folder: Path, command: list[str], environ: dict[str, str] | None = None) -> None:
        self.path = folder / f"program-{os.urandom(4).hex()}.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("JOB_", "IMAGE_NAME"))}
        with self.path.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                env={**clean, "XDG_DATA_HOME": str(folder / "home"), "XDG_CONFIG_HOME": str(folder / "home")}
                | (environ or {}),
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.path.read_text()

    def says(self, text: str) -> None:
        eventually(lambda: text in self.said or self.process.poll() is not None)
        assert text in self.said, self.said

    def code(self) -> int:
        return self.process.wait(WITHIN)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def program(folder: Path, *command: str, environ: dict[str, str] | None = None) -> Iterator[Program]:
    """A program for a while."""
    one = Program(folder, list(command), environ)
    try:
        yield one
    finally:
        one.close()


def executor(server: NuvlaServer, *flags: str) -> list[str]:
    """The command of an executor with the test's actions."""
    small = ["--actions", str(server.actions), "--processes", "1"]
    return [str(BIN / "job-engine"), "executor", *small, *flags]
