"""The files that make the image and run it, as far as that needs no image; `./dev image` builds and runs it."""

import functools
import hashlib
import http.server
import io
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.running import WITHIN, clean

ROOT = Path(__file__).parents[2]
DOWNLOAD = ROOT / "deploy" / "image" / "download.py"


def test_the_dockerfile_takes_the_wheel_of_this_version_unless_told_otherwise():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert set(re.findall(r"^ARG PACKAGE_TAG=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)) == {version}


@pytest.mark.parametrize("path", sorted((ROOT / "deploy").glob("compose*.yaml")), ids=lambda path: path.name)
def test_compose_takes_the_file(path):
    standalone = shutil.which("docker-compose")
    done = subprocess.run(
        [*([standalone] if standalone else ["docker", "compose"]), "--file", path, "config", "--quiet"],
        capture_output=True, text=True, timeout=WITHIN, env=clean(), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a program's archive, and its checksum."""
    data, program = io.BytesIO(), b"#!/bin/sh\necho it runs\n"
    with tarfile.open(fileobj=data, mode="w:gz") as packed:
        member = tarfile.TarInfo("linux-amd64/helm")
        member.size = len(program)
        packed.addfile(member, io.BytesIO(program))
    (tmp_path / "helm.tar.gz").write_bytes(data.getvalue())
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/helm.tar.gz", hashlib.sha256(data.getvalue()).hexdigest()
        server.shutdown()
        thread.join()


def download(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOWNLOAD), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, env=clean(), check=False)


def test_a_program_is_taken_out_of_its_archive(archive, tmp_path):
    url, checksum = archive
    assert download(url, checksum, "helm", tmp_path / "bin").returncode == 0
    done = subprocess.run([tmp_path / "bin" / "helm"], capture_output=True, text=True, timeout=WITHIN, check=True)
    assert done.stdout == "it runs\n"


@pytest.mark.parametrize("checksum", ["", "0" * 64])
def test_an_archive_with_another_checksum_is_refused(checksum, archive, tmp_path):
    done = download(archive[0], checksum, "helm", tmp_path / "bin")
    assert done.returncode == 1
    assert f"its SHA-256 is {archive[1]}" in done.stderr
    assert not (tmp_path / "bin" / "helm").exists()


def test_an_archive_without_the_program_is_refused(archive, tmp_path):
    done = download(*archive, "kubectl", tmp_path / "bin")
    assert (done.returncode, done.stderr) == (1, f"{archive[0]}: there is no program kubectl in it\n")


def test_without_an_address_there_is_no_program(tmp_path):
    assert download("", "", "helm", tmp_path / "bin").returncode == 0
    assert list((tmp_path / "bin").iterdir()) == []
