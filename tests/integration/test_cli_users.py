"""The commands for users and keys against a real engine."""

import json
import subprocess

import pytest

from tests.integration.running import PROGRAM, WITHIN, clean, cli, running, unique


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("engine") / "data") as engine:
        yield engine


def as_(up, *arguments, input=None, **environ):
    """A command with other credentials."""
    return subprocess.run(
        [PROGRAM, *arguments],
        input=input,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        env=clean() | {"JOB_ENGINE_API_URL": up.client().url} | environ,
    )


def user(up, name, password):
    return as_(up, "jobs", JOB_ENGINE_API_USER=name, JOB_ENGINE_API_PASS=password).returncode


def test_users(up):
    name = unique("jane")
    done = cli(up, "users", "add", name, "--group", "ops", "--admin", input="correct-horse\n")
    assert (done.stdout, done.stderr) == (f"{name} added\n", "")
    listed = cli(up, "users").stdout
    assert [line.split()[:4] for line in listed.splitlines() if name in line] == [
        [name, "ACTIVE", "ops", "nuvla-admin"]
    ]
    assert user(up, name, "correct-horse") == 0
    assert cli(up, "users", "disable", name).stdout == f"{name} disabled\n"
    assert user(up, name, "correct-horse") == 2
    assert cli(up, "users", "enable", name).stdout == f"{name} enabled\n"
    assert cli(up, "users", "passwd", name, input="another-horse\n").stdout == f"{name} has a new password\n"
    assert (user(up, name, "correct-horse"), user(up, name, "another-horse")) == (2, 0)
    other = unique("joan")
    cli(up, "users", "add", other, input="correct-horse\n")
    own = {"JOB_ENGINE_API_USER": other, "JOB_ENGINE_API_PASS": "correct-horse"}
    done = as_(up, "users", "passwd", other, input="correct-horse\nthird-horse-now\n", **own)
    assert (done.stdout, done.stderr) == (f"{other} has a new password\n", "")
    assert user(up, other, "third-horse-now") == 0
    assert cli(up, "users", "sessions", other).stdout.count("password") >= 1
    assert cli(up, "users", "end-sessions", other).stdout == f"{other} has no other session\n"
    assert cli(up, "users", "sessions", other, "--json").stdout == "[]\n"
    wrong = cli(up, "users", "delete", name, "nobody")
    assert (wrong.returncode, "no user 'nobody'" in wrong.stderr) == (2, True)
    assert cli(up, "users", "delete", name).stdout == f"{name} deleted\n"
    assert name not in cli(up, "users").stdout
    for arguments, said in (
        (("disable", "admin"), "stays an administrator"),
        (("add",), "name the user to add"),
        (("add", "x"), "password"),
    ):
        wrong = cli(up, "users", *arguments, input="\n")
        assert (wrong.returncode, said in wrong.stderr) == (2, True), wrong.stderr


def test_keys(up):
    made = cli(up, "keys", "add", "--ttl", "1d", "--name", "edge 7")
    environ = dict(line.split("=", 1) for line in made.stdout.splitlines())
    assert set(environ) == {"JOB_ENGINE_API_KEY", "JOB_ENGINE_API_SECRET"}
    key, secret = environ.values()
    assert as_(up, "submit", "noop", **environ).returncode == 0
    listed = cli(up, "keys").stdout
    assert f"{key}  edge 7" in listed
    assert "in 23 h" in listed
    assert secret not in listed
    found = json.loads(cli(up, "keys", "--json").stdout)
    assert [one["id"] for one in found if one["name"] != "admin.toml"] == [key]
    assert cli(up, "keys", "delete", key).stdout == f"{key} deleted\n"
    assert as_(up, "submit", "noop", **environ).returncode == 2
    assert key not in cli(up, "keys").stdout
