"""Containers of the built images, run with buildah: a change of root on this machine's network, no container engine."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.image.build import BUILT
from tests.integration.running import alive, clean, family

WITHIN = 180.0
"""Seconds after which what a test waits for has failed; a busy machine takes some for each program in a container."""
STOPPED_WITHIN = 130.0
"""Seconds; what the documentation tells people to give `docker stop`."""


def eventually(condition: Callable[[], Any]) -> Any:
    """Wait until the condition holds; what it returned then."""
    end = time.monotonic() + WITHIN
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {WITHIN:g} s"
        time.sleep(0.05)
    return found


class Container:
    """One container, from its making to its removal; several programs may run in it."""

    def __init__(self, target: str, folder: Path) -> None:
        self.built: dict[str, Any] = json.loads(BUILT.read_text())
        self.folder = folder
        self.id = self._buildah("from", self.built["images"][target]).strip()
        self.config: dict[str, Any] = json.loads(self._buildah("inspect", self.id))["Docker"]["config"]
        self._started: list[Started] = []

    def start(
        self, *arguments: str, environ: Mapping[str, str] | None = None, volumes: Sequence[str] = ()
    ) -> "Started":
        """As ``docker run IMAGE ARGUMENTS`` does; without arguments, the image's own."""
        words = [*self.config["Entrypoint"], *(arguments or self.config["Cmd"])]
        return self._keep(self._run(words, environ or {}, volumes))

    def start_strictly(self, *arguments: str, user: str, data: Path) -> "Started":
        """As ``docker run --read-only --tmpfs /tmp --volume DATA:/data --user USER``, as process 1 of its own."""
        root = self._buildah("mount", self.id).strip()
        script = """
            mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"
            mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/tmp"
            mount --bind "$2" "$1/data"
            root=$1 user=$3; shift 3
            exec chroot --userspec="$user" --groups= "$root" env -i "$@"
        """
        words = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-euc",
            script,
            "sh",
            root,
            str(data),
            user,
        ]
        words += [*self.config["Env"], *self.config["Entrypoint"], *arguments]
        return self._keep(words)

    def run(self, *words: str, volumes: Sequence[str] = (), user: str = "") -> "subprocess.CompletedProcess[str]":
        """As ``docker exec`` does."""
        command = self._run(words, {}, volumes, user)
        return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False, env=clean())

    def well(self) -> bool:
        """What its health check says."""
        return self.run(*self.config["Healthcheck"]["Test"][1:]).returncode == 0

    def remove(self) -> None:
        """End what runs in it, and remove it."""
        for started in self._started:
            started.kill()
        self._buildah("umount", self.id)
        self._buildah("rm", self.id)

    def _keep(self, command: list[str]) -> "Started":
        started = Started(command, self.folder / f"log-{len(self._started)}")
        self._started.append(started)
        return started

    def _run(
        self, words: Sequence[str], environ: Mapping[str, str], volumes: Sequence[str], user: str = ""
    ) -> list[str]:
        options = [f"--env={name}={value}" for name, value in environ.items()]
        options += [f"--volume={volume}" for volume in volumes]
        options += ["--user", user] if user else []
        isolated = ["run", "--isolation", "chroot", "--network", "host"]
        return [*self.built["buildah"], *isolated, *options, self.id, "--", *words]

    def _buildah(self, *arguments: str) -> str:
        command = [*self.built["buildah"], *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=True).stdout


class Started:
    """The main program of a container."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=clean()
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, text: str) -> "Started":
        """Wait until it has printed that."""
        eventually(lambda: text in self.said() or self.process.poll() is not None)
        assert text in self.said(), self.said()
        return self

    def stop(self) -> int:
        """As ``docker stop`` does: SIGTERM to the container's first process; its exit code."""
        os.kill(self.first(), signal.SIGTERM)
        return self.process.wait(STOPPED_WITHIN)

    def kill(self) -> None:
        """At once, with all below it."""
        members = family(self.process.pid) if self.process.poll() is None else set()
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(WITHIN)
        eventually(lambda: not any(alive(pid) for pid in members))

    def first(self) -> int:
        """Its first process, as this machine numbers it."""
        end = time.monotonic() + WITHIN
        while time.monotonic() < end:
            for pid in family(self.process.pid):
                try:
                    if Path(f"/proc/{pid}/comm").read_text() == "tini\n":
                        return pid
                except OSError:
                    continue
        raise AssertionError(f"no tini runs below {self.process.pid}: {self.said()}")
