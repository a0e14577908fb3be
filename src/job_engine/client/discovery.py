"""Which engine a program means that names none: the environment's, a profile's, or the one that runs here."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import platformdirs

from job_engine.client.endpoint import Credentials, Endpoint
from job_engine.client.private import read_secret, warn_if_exposed
from job_engine.client.tls import VERIFY, Tls
from job_engine.job.errors import Invalid, NotFound, Unreachable

APPLICATION: Final = "job-engine"
ADMIN_FILE: Final = "admin.toml"
"""In the data folder of an engine: its url, the administrator's username and password, and an API key with its secret;
of one that speaks TLS under an address of its machine, its certificate's file too, which is then the only one that is
accepted."""
PROFILES_FILE: Final = "profiles.toml"
"""In the user's configuration folder: a table for each profile, with url, insecure, ca, cert, cert-key, and username
and password or key and secret."""
FILES: Final = {"ca": "ca", "cert": "certificate", "cert-key": "key", "certificate": "pinned"}
"""Names of files in these two, beside which a relative one is looked for; and what each is in `Tls`."""
DEFAULT_PROFILE: Final = "default"
START: Final = "start one with: job-engine up"


@dataclass(frozen=True, slots=True)
class Found:
    """An engine to talk to."""

    url: str
    credentials: Credentials
    tls: Tls = VERIFY
    origin: str = "as given"  # what named it, for messages


class _Here:
    url: str | None = None  # of the engine that runs people's functions in this process
    entrusted: Callable[[], Found] | None = None  # that engine, for the function that asks


def entrust(url: str, found: Callable[[], Found]) -> None:
    """Have clients in this process that are told of no engine, or of this one's URL alone, work for ``found()``.

    So people's functions call the engine that runs them, whose credentials are not in their environment.

    Args:
        found: is asked for each client, in the thread that makes it.
    """
    _Here.url, _Here.entrusted = Endpoint.of(url).url, found


def data_folder(explicit: Path | str | None, environ: Mapping[str, str]) -> Path:
    """The folder of the engine on this machine: as given, else ``JOB_ENGINE_DATA``, else the user's data folder."""
    if explicit or environ.get("JOB_ENGINE_DATA"):
        return Path(explicit or environ["JOB_ENGINE_DATA"]).expanduser()
    home = environ.get("XDG_DATA_HOME")
    return Path(home) / APPLICATION if home else platformdirs.user_data_path(APPLICATION, appauthor=False)


def profiles_file(environ: Mapping[str, str]) -> Path:
    """Where the user's profiles are."""
    home = environ.get("XDG_CONFIG_HOME")
    folder = Path(home) / APPLICATION if home else platformdirs.user_config_path(APPLICATION, appauthor=False)
    return folder / PROFILES_FILE


def find(
    *,
    environ: Mapping[str, str],
    url: str | None = None,
    credentials: Credentials | None = None,
    insecure: bool | None = None,
    ca: str | None = None,
    cert: str | None = None,
    cert_key: str | None = None,
    data: Path | str | None = None,
    profile: str | None = None,
) -> Found:
    """The engine that is meant.

    A URL that is given goes first, then ``JOB_ENGINE_API_URL`` (credentials likewise), then the profile or data folder
    that is given, then ``JOB_ENGINE_PROFILE``, then ``JOB_ENGINE_DATA``, then the profile ``default``, then the data
    folder of the engine that runs here. A URL without credentials gets those of a profile or data folder that has it.

    Args:
        environ: the environment.
        credentials: count as given if they name somebody.

    Raises:
        Invalid: a file is not readable or not as it should be, or the URL is none.
        NotFound: there is no such profile.
        Unreachable: nothing names an engine.
    """
    url = url or environ.get("JOB_ENGINE_API_URL") or None
    given = credentials if credentials is not None and credentials.name_somebody else _from_environment(environ)
    if insecure is None and "JOB_ENGINE_API_INSECURE" in environ:
        insecure = environ["JOB_ENGINE_API_INSECURE"].lower() in ("1", "true", "yes", "on")
    files = {
        "ca": ca or environ.get("JOB_ENGINE_API_CA") or None,
        "certificate": cert or environ.get("JOB_ENGINE_API_CERT") or None,
        "key": cert_key or environ.get("JOB_ENGINE_API_CERT_KEY") or None,
    }
    known = None if url and given else _known(environ, data, profile, url)
    if known is None:
        if url is None:
            folder = data_folder(data, environ)
            raise Unreachable(f"no engine has run with its data in {folder}; {START} (or name one with --api-url)")
        return Found(Endpoint.of(url).url, given or Credentials(), _tls(VERIFY, insecure, files))
    return Found(
        known.url,
        given or known.credentials,
        _tls(known.tls, insecure, files),
        known.origin,
    )


def read_admin(folder: Path) -> Found | None:
    """What an engine left in its data folder; None when there is nothing.

    Raises:
        Invalid: the file cannot be read.
    """
    path = folder / ADMIN_FILE
    table = _toml(path)
    if table is None:
        return None
    if table.get("key") and table.get("secret"):  # strangers who guess the password can lock out who uses it
        table = {name: value for name, value in table.items() if name not in ("username", "password")}
    return _found(table, path, f"the engine of {folder}")


def _tls(known: Tls, insecure: bool | None, files: Mapping[str, str | None]) -> Tls:
    """What is known, but for what was given: a certificate has its key, and who names authorities pins nothing."""
    given: dict[str, Any] = {name: file for name, file in files.items() if file is not None}
    if "certificate" in given:
        given.setdefault("key", None)
    if "ca" in given:
        given["pinned"] = None
    if insecure is not None:
        given["insecure"] = insecure
    tls = replace(known, **given)
    if tls.key is not None and tls.certificate is None:
        raise Invalid("--api-cert-key is the key of a certificate: give that too, with --api-cert")
    return tls


def _known(environ: Mapping[str, str], data: Path | str | None, profile: str | None, url: str | None) -> Found | None:
    wanted = Endpoint.of(url).url if url else None
    if _Here.entrusted is not None and not (profile or data) and wanted in (None, _Here.url):
        return _Here.entrusted()  # goes before the environment, which is that of the engine's program
    named = profile or (None if data else environ.get("JOB_ENGINE_PROFILE"))
    if named:
        found = _profile(environ, named)
        if found is None:
            raise NotFound(f"there is no profile {named!r} in {profiles_file(environ)}")
        candidates: list[Found | None] = [found]
    elif data or environ.get("JOB_ENGINE_DATA"):
        candidates = [read_admin(data_folder(data, environ))]
    else:
        candidates = [_profile(environ, DEFAULT_PROFILE), read_admin(data_folder(None, environ))]
    return next((c for c in candidates if c is not None and wanted in (None, c.url)), None)


def _from_environment(environ: Mapping[str, str]) -> Credentials | None:
    given = Credentials(
        username=environ.get("JOB_ENGINE_API_USER"),
        password=_secret(environ, "JOB_ENGINE_API_PASS"),
        key=environ.get("JOB_ENGINE_API_KEY"),
        secret=_secret(environ, "JOB_ENGINE_API_SECRET"),
    )
    return given if given.can_log_in else None


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    """What a variable says, or the file that the one beside it names."""
    path = environ.get(f"{name}_FILE")
    return environ.get(name) or (read_secret(Path(path)) if path else None)


def _profile(environ: Mapping[str, str], name: str) -> Found | None:
    path = profiles_file(environ)
    table = (_toml(path) or {}).get(name)
    if table is None:
        return None
    if not isinstance(table, dict):
        raise Invalid(f"{path}: the profile {name!r} should be a table [{name}] with a url")
    return _found(table, path, f"profile {name}")


def _found(table: dict[str, Any], path: Path, origin: str) -> Found:
    files = {field: table.get(name) for name, field in FILES.items()}
    texts = {name: table.get(name) for name in ("url", "username", "password", "key", "secret")}
    if not texts["url"] or any(not isinstance(text, str | None) for text in [*texts.values(), *files.values()]):
        raise Invalid(f"{path} should have a url, username and password or key and secret, and files, all texts")
    url = Endpoint.of(str(texts.pop("url"))).url
    known = {
        field: None if file is None else str(path.parent / Path(file).expanduser()) for field, file in files.items()
    }
    return Found(url, Credentials(**texts), Tls(insecure=table.get("insecure") is True, **known), origin)


def _toml(path: Path) -> dict[str, Any] | None:
    try:
        table = tomllib.loads(path.read_text())
        warn_if_exposed(path)
        return table
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # UnicodeDecodeError and TOMLDecodeError
        raise Invalid(f"{path} is not TOML: {error}") from None
