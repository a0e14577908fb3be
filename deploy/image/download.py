"""For the Dockerfile: takes one program out of a tar archive that is downloaded, if an address is given.

Its arguments: URL SHA256 PROGRAM FOLDER.
"""

import hashlib
import io
import sys
import tarfile
import urllib.request
from pathlib import Path

WITHIN = 60.0
"""Seconds without a byte from the server after which the download has failed."""


def main(url: str, sha256: str, program: str, folder: str) -> None:
    """Write the program into the folder, executable; nothing without a URL."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    if not url:
        return
    with urllib.request.urlopen(url, timeout=WITHIN) as response:
        data = response.read()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(f"{url}: its SHA-256 is {found}, and {sha256 or 'none'} was given: compare it with the publisher's")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = next((one for one in archive if one.isfile() and Path(one.name).name == program), None)
        content = None if member is None else archive.extractfile(member)
        if content is None:
            sys.exit(f"{url}: there is no program {program} in it")
        target = Path(folder, program)
        target.write_bytes(content.read())
        target.chmod(0o755)


if __name__ == "__main__":
    main(*sys.argv[1:])
