"""Which servers are reached through a proxy, and through which."""

import pytest

from job_engine.client.endpoint import Endpoint
from job_engine.client.proxy import proxy_of
from job_engine.job.errors import Invalid

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def none_named(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://engine.example",
        "https://127.0.0.1",
        "https://127.8.9.10:8443",
        "https://localhost",
        "https://[::1]:8443",
        "https://inside.example",
        "https://deep.inside.example:8443",
    ],
)
def test_plain_http_this_machine_and_what_no_proxy_lists_are_reached_directly(monkeypatch, url):
    for name in PROXIES[:3]:
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert proxy_of(Endpoint.of(url)) is None


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("value", ["http://proxy.example:3128", "proxy.example:3128", "http://proxy.example:3128/"])
def test_https_goes_through_the_proxy(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    proxy = proxy_of(Endpoint.of("https://engine.example"))
    assert (proxy.host, proxy.port, proxy.authorization) == ("proxy.example", 3128, None)


def test_the_proxy_s_credentials_are_sent_to_it_and_shown_nowhere(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://jane:hu%40sh@proxy.example:3128")
    proxy = proxy_of(Endpoint.of("https://engine.example"))
    assert proxy.authorization == "Basic amFuZTpodUBzaA=="
    assert "hu" not in repr(proxy)


@pytest.mark.parametrize("value", ["socks5://proxy.example:1080", "https://proxy.example", "http://"])
def test_another_kind_of_proxy_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(Invalid, match=r"https_proxy is not supported: write http://HOST:PORT"):
        proxy_of(Endpoint.of("https://engine.example"))
