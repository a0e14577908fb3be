"""What the ZooKeeper options mean, and what is wrong with them in one line."""

import click
import pytest
from click.testing import CliRunner
from kazoo.security import Permissions

from job_engine.cli.options.shared import command
from job_engine.cli.options.zookeeper import ZK_SEVERAL, hosts_of, zk_options
from job_engine.job.errors import Invalid


@command("server", several=ZK_SEVERAL)
@zk_options
def given(zookeeper) -> None:
    seen.append(zookeeper)


seen = []


def parsed(*arguments: str, **environment: str):
    seen.clear()
    result = CliRunner().invoke(given, arguments, env=environment, catch_exceptions=True)
    if isinstance(result.exception, Invalid):
        raise result.exception
    assert result.exit_code == 0, result.output
    return seen[0]


def test_without_servers_there_is_no_zookeeper():
    assert parsed("--zk-path", "/x") is None


def test_the_defaults():
    found = parsed("--zk-hosts", "a")
    assert (found.hosts, found.path, found.session_timeout, found.auth, found.sasl, found.tls) == (
        "a", "/job", 10.0, (), None, None,
    )  # fmt: skip
    assert [(acl.id.scheme, acl.id.id, acl.perms) for acl in found.acl] == [("world", "anyone", Permissions.ALL)]


@pytest.mark.parametrize(
    ("values", "hosts"),
    [
        (["a:1"], "a:1"),
        (["a:1", "b", "c:3/x/y"], "a:1,b,c:3/x/y"),
        (["a:1,b:2", "c:3/"], "a:1,b:2,c:3"),
        (["a, b ,c/x/"], "a,b,c/x"),
        (["[::1]:2181", "[fe80::1]"], "[::1]:2181,[fe80::1]"),
    ],
)
def test_servers_are_values_or_lists_with_the_chroot_at_the_end(values, hosts):
    assert hosts_of(values) == hosts
    assert parsed("--zk-hosts", *values).hosts == hosts


@pytest.mark.parametrize("values", [["a/x", "b"], ["a:0"], ["a:70000"], ["a:b"], [":1"], ["http://a"], ["a//x"], [","]])
def test_what_is_no_server_is_named(values):
    with pytest.raises(Invalid, match="--zk-hosts"):
        hosts_of(values)


def test_the_environment():
    found = parsed(JOB_ENGINE_ZK_HOSTS="a:1 b:2,c", JOB_ENGINE_ZK_PATH="/q/", JOB_ENGINE_SESSION_TIMEOUT="30s")
    assert (found.hosts, found.path, found.session_timeout) == ("a:1,b:2,c", "/q", 30.0)


def test_who_we_are_and_what_others_may():
    found = parsed(
        "--zk-hosts", "a", "--zk-auth", "digest:u:p:q", "ip:x", "--zk-acl", "auth::cdrwa", "world:anyone:r"
    )  # fmt: skip
    assert found.auth == (("digest", "u:p:q"), ("ip", "x"))
    assert [(acl.id.scheme, acl.id.id, acl.perms) for acl in found.acl] == [
        ("auth", "", Permissions.ALL),
        ("world", "anyone", Permissions.READ),
    ]


@pytest.mark.parametrize(
    ("credentials", "scheme"),
    [
        (("--zk-auth", "digest:u:p"), "auth"),
        (("--zk-auth", "ip:x", "digest:u:p"), "auth"),
        (("--zk-sasl", "username=u", "password=p"), "auth"),
        (("--zk-auth", "ip:x"), "world"),
        (("--zk-auth", "digest:u:p", "--zk-acl", "world:anyone:cdrwa"), "world"),
    ],
)
def test_with_credentials_nodes_are_for_who_has_them_unless_told_otherwise(credentials, scheme, monkeypatch):
    # the image has no package for SASL
    monkeypatch.setattr(
        "job_engine.cli.options.zookeeper.find_spec", lambda _: True
    )  # the image has no package for SASL
    (rule,) = parsed("--zk-hosts", "a", *credentials).acl
    assert (rule.id.scheme, rule.perms) == (scheme, Permissions.ALL)


def test_tls(tmp_path):
    file = str(tmp_path / "pem")
    open(file, "w").close()
    found = parsed("--zk-hosts", "a", "--zk-ca", file, "--zk-cert", file, "--zk-key", file, "--zk-key-password", "x")
    assert found.tls.ca == found.tls.certificate == found.tls.key == file
    assert (found.tls.key_password, found.tls.verify, found.tls.check_hostname) == ("x", True, True)
    found = parsed("--zk-hosts", "a", "--zk-no-verify")
    assert (found.tls.ca, found.tls.verify, found.tls.check_hostname) == (None, False, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--zk-path", "job"], "--zk-path"),
        (["--zk-path", "/a//b"], "--zk-path"),
        (["--zk-path", "/"], "--zk-path"),
        (["--zk-acl", "world:anyone:xyz"], "is not an ACL"),
        (["--zk-auth", "secret"], "--zk-auth: a value is not of the form"),
        (["--zk-cert", __file__], "go together"),
        (["--zk-no-verify", "--zk-ca", __file__], "give one of them"),
        (["--zk-sasl", "username"], "NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, message):
    with pytest.raises(Invalid, match=message) as caught:
        parsed("--zk-hosts", "a", *arguments)
    assert "\n" not in caught.value.message
    assert "secret" not in caught.value.message


def test_it_is_a_usable_decorator():
    assert isinstance(given, click.Command)
    assert {"--zk-hosts", "--session-timeout"} <= {name for option in given.params for name in option.opts}
