"""``job-engine backup``"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import click

from job_engine.cli.options.shared import command, data_option
from job_engine.cli.processes.folder import RECORD
from job_engine.cli.screen import say
from job_engine.client.discovery import data_folder
from job_engine.job.errors import Invalid, NotFound, Unavailable


@command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_option("Folder of the engine on this machine.  [default: the user's data folder]")
def backup(file: Path, data: Path | None) -> None:
    """Copy the record into FILE, as it was at one moment; the engine may run meanwhile.

    To restore it, stop the engine, remove record.db-wal and record.db-shm in its data folder, put the copy in the
    place of record.db, and start it again.
    """
    record = data_folder(data, os.environ) / RECORD
    if not record.is_file():
        raise NotFound(f"there is no record {record}; name the engine's data folder with --data")
    try:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise Invalid(f"{file} exists already; name a file that does not") from None
    except OSError as error:
        raise Invalid(f"{file} cannot be written: {error.strerror}") from None
    try:
        with (
            closing(sqlite3.connect(f"{record.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(file)) as target,
        ):
            source.backup(target)
    except BaseException as error:
        file.unlink(missing_ok=True)
        if isinstance(error, sqlite3.Error):
            raise Unavailable(f"the record {record} cannot be copied: {error}; try again") from None
        raise
    say(f"{file}: {file.stat().st_size} bytes")
