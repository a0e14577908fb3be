from pathlib import Path

import pytest

from job_engine.client.discovery import data_folder, find, profiles_file, read_admin
from job_engine.client.endpoint import Credentials
from job_engine.client.tls import Tls
from job_engine.job.errors import Invalid, NotFound, Unreachable

ADMIN = 'url = "http://127.0.0.1:1234"\nusername = "admin"\npassword = "pw"\n'
PROFILES = """
[default]
url = "http://default:1"
username = "d"
password = "d"
[prod]
url = "https://prod/api"
key = "credential/1"
secret = "s"
insecure = true
"""


@pytest.fixture
def home(tmp_path):
    """An environment with an empty home."""
    return {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_nothing_names_an_engine(home):
    with pytest.raises(Unreachable, match="job-engine up"):
        find(environ=home)


def test_the_engine_that_runs_here(home):
    put(data_folder(None, home) / "admin.toml", ADMIN)
    found = find(environ=home)
    assert (found.url, found.credentials) == ("http://127.0.0.1:1234", Credentials(username="admin", password="pw"))


def test_what_is_given_goes_before_everything(home):
    put(data_folder(None, home) / "admin.toml", ADMIN)
    put(profiles_file(home), PROFILES)
    environ = {**home, "JOB_ENGINE_API_URL": "http://env:1", "JOB_ENGINE_API_USER": "e", "JOB_ENGINE_API_PASS": "e"}
    me = Credentials(username="me", password="x")
    assert find(environ=environ, url="http://given:1", credentials=me).url == "http://given:1"
    assert find(environ=environ, url="http://given:1", credentials=me).credentials == me
    assert find(environ=environ).url == "http://env:1"
    assert find(environ=environ).credentials.username == "e"


def test_named_things_go_before_the_default_profile_and_that_before_the_engine_here(home, tmp_path):
    put(data_folder(None, home) / "admin.toml", ADMIN)
    assert find(environ=home).url == "http://127.0.0.1:1234"
    put(profiles_file(home), PROFILES)
    assert find(environ=home).url == "http://default:1"
    other = put(tmp_path / "other" / "admin.toml", ADMIN.replace("1234", "99")).parent
    assert find(environ=home, data=other).url == "http://127.0.0.1:99"
    assert find(environ={**home, "JOB_ENGINE_DATA": str(other)}).url == "http://127.0.0.1:99"
    prod = find(environ=home, profile="prod")
    assert (prod.url, prod.tls.insecure, prod.credentials.key) == ("https://prod", True, "credential/1")
    assert find(environ={**home, "JOB_ENGINE_PROFILE": "prod"}).url == "https://prod"
    assert find(environ={**home, "JOB_ENGINE_PROFILE": "prod"}, data=other).url == "http://127.0.0.1:99"
    assert find(environ={**home, "JOB_ENGINE_DATA": str(other)}, profile="prod").url == "https://prod"


def test_what_an_engine_or_a_profile_says_of_certificates(home, tmp_path):
    put(data_folder(None, home) / "admin.toml", ADMIN + 'certificate = "/etc/server.pem"\n')
    put(profiles_file(home), '[p]\nurl = "https://p"\nca = "ca.pem"\ncert = "/c.pem"\ncert-key = "/k.pem"\n')
    assert find(environ=home).tls == Tls(pinned="/etc/server.pem")
    assert find(environ=home, ca="other.pem").tls == Tls(ca="other.pem")
    ours = str(profiles_file(home).parent / "ca.pem")
    assert find(environ=home, profile="p").tls == Tls(ca=ours, certificate="/c.pem", key="/k.pem")
    assert find(environ=home, profile="p", cert="/both.pem").tls == Tls(ca=ours, certificate="/both.pem")
    environ = {**home, "JOB_ENGINE_API_CA": "/a", "JOB_ENGINE_API_CERT": "/b", "JOB_ENGINE_API_CERT_KEY": "/c"}
    assert find(environ=environ, url="https://x").tls == Tls(ca="/a", certificate="/b", key="/c")
    with pytest.raises(Invalid, match="--api-cert"):
        find(environ=home, url="https://x", cert_key="/k")


def test_a_url_gets_the_credentials_that_are_known_for_it_and_no_others(home):
    put(data_folder(None, home) / "admin.toml", ADMIN)
    assert find(environ=home, url="http://127.0.0.1:1234/").credentials.username == "admin"
    assert find(environ=home, url="http://elsewhere:1234").credentials == Credentials()


def test_credentials_alone_go_to_the_engine_that_is_known(home):
    put(data_folder(None, home) / "admin.toml", ADMIN)
    me = Credentials(username="me", password="x")
    assert find(environ=home, credentials=me).url == "http://127.0.0.1:1234"
    assert find(environ=home, credentials=me).credentials == me


def test_an_unknown_profile_is_named_with_the_file(home):
    with pytest.raises(NotFound, match=r"'nope'.*profiles\.toml"):
        find(environ=home, profile="nope")


@pytest.mark.parametrize("text", ["url = ", "url = 3", 'username = "x"', 'url = "nonsense"'])
def test_a_file_that_is_not_as_it_should_be_is_named(home, text):
    folder = put(data_folder(None, home) / "admin.toml", text).parent
    with pytest.raises(Invalid):
        read_admin(folder)


def test_the_data_folder(home, tmp_path):
    assert data_folder(None, home) == tmp_path / "data" / "job-engine"
    assert data_folder(None, {**home, "JOB_ENGINE_DATA": "/x"}) == Path("/x")
    assert data_folder("/y", {**home, "JOB_ENGINE_DATA": "/x"}) == Path("/y")


def test_programs_take_the_key_of_an_engine_s_folder(tmp_path: Path) -> None:
    put(tmp_path / "admin.toml", ADMIN + 'key = "credential/1"\nsecret = "s"\n')
    found = read_admin(tmp_path)
    assert found is not None
    assert found.credentials == Credentials(key="credential/1", secret="s")
