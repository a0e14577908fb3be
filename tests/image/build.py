"""Builds the images without a container engine: a base of Debian's packages, then the Dockerfile, both with buildah.

``python tests/image/build.py`` as root, after `./dev package`; needs buildah and debootstrap. Everything it makes stays
in .dev/image, and `BUILT` there says how to get at it.
"""

import ast
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".dev" / "image"
BUILT: Final = FOLDER / "built.json"
BASE: Final = "docker.io/library/python:3.13-slim"
"""What the Dockerfile asks for. It is in a storage of its own, where nobody takes it for the real one."""
SUITE: Final = "trixie"
PACKAGES: Final = "python3,python3-pip,python3-venv,ca-certificates"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MIRROR: Final = "http://deb.debian.org/debian"
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
TARGETS: Final = ("job", "job-lite")
WITHIN: Final = 1200.0
"""Seconds that one step may take, on a slow line."""


def main() -> None:
    """Build both images."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    buildah = ["buildah", "--root", str(FOLDER / "storage"), "--runroot", str(FOLDER / "run")]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if subprocess.run([*buildah, "inspect", "--type", "image", BASE], capture_output=True, timeout=WITHIN).returncode:
        timed(f"making a base of Debian {SUITE}", lambda: make_base(buildah))
    built: dict[str, Any] = {"buildah": buildah, "version": version, "images": {}}
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        secrets = [f"--secret=id={path.name},src={path}" for path in machine(Path(folder))]
        for target in TARGETS:
            image = f"local/{target}:{version}"
            command = [*buildah, "build", "--isolation", "chroot", "--network", "host", "--pull-never", "--layers",
                       "--format", "docker", *secrets, f"--build-arg=PACKAGE_TAG={version}", "--target", target,
                       "-t", image, "."]  # fmt: skip
            timed(f"building {image}", lambda command=command: run(command))
            built["images"][target] = image
    BUILT.write_text(json.dumps(built))
    subprocess.run([*buildah, "images", "--filter", "dangling=false"], check=True, timeout=WITHIN)


def make_base(buildah: list[str]) -> None:
    """An image with Python, from Debian's packages."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        system = Path(folder) / "system"
        tools = shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "debootstrap"
        # The script of sid is that of every later release; older machines know it, and not their names.
        run([tools, "--variant=minbase", f"--keyring={KEYRING}", f"--include={PACKAGES}", SUITE, str(system),
             mirror(), "/usr/share/debootstrap/scripts/sid"])  # fmt: skip
        container = run([*buildah, "from", "scratch"]).strip()
        run([*buildah, "add", "--quiet", container, str(system), "/"])
        run([*buildah, "config", "--env", f"PATH={PATH}", "--cmd", "python3", container])
        run([*buildah, "commit", "--quiet", "--rm", container, BASE])


def mirror() -> str:
    """Where this machine has Debian's packages from."""
    found = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"],
        capture_output=True, text=True, timeout=WITHIN, check=False,
    ).stdout.split()  # fmt: skip
    return next((address for address in found if "security" not in address), MIRROR)


def machine(folder: Path) -> list[Path]:
    """How this machine reaches PyPI and Debian, as secrets of the build: they get into no image."""
    certificates, pip, apt = folder / "certificates", folder / "pip.conf", folder / "apt.conf"
    shutil.copy(os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or "/dev/null", certificates)
    lines = [
        "[global]",
        *pip_settings(),
        *(["cert = /run/secrets/certificates"] if certificates.stat().st_size else []),
    ]
    pip.write_text("\n".join(lines) + "\n")
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, timeout=WITHIN, check=False).stdout
    apt.write_text("\n".join(re.findall(r"^Acquire::https?::Proxy.*$", dump, re.MULTILINE)) + "\n")
    return [certificates, pip, apt]


def pip_settings() -> list[str]:
    """Those of pip's settings here that say how packages are reached; files of this machine are left out."""
    listed = run([sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"])
    names = ("index-url", "extra-index-url", "trusted-host", "proxy", "retries", "timeout", "default-timeout")
    settings: dict[str, str] = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        kept = " ".join(word for word in str(ast.literal_eval(value)).split() if not word.startswith("file:"))
        if name in names and kept:
            settings[name.removeprefix("default-")] = kept
    return [f"{name} = {value}" for name, value in settings.items()]


def timed(what: str, work: Any) -> None:
    """Do it, and say how long it took."""
    print(f"dev: {what}", file=sys.stderr, flush=True)
    began = time.monotonic()
    work()
    print(f"dev: {what} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def run(command: list[str]) -> str:
    """What it prints; ends this program with the end of it if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, check=False)
    if done.returncode:
        sys.exit(f"{(done.stdout + done.stderr).strip()[-4000:]}\ndev: {' '.join(command)} failed; why is above")
    return done.stdout


if __name__ == "__main__":
    main()
