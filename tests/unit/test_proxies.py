"""Which proxy leads to a server: the rules of Go's httpproxy, row by row, and values that are none."""

import pytest

from meshtui.model.errors import ConfigError
from meshtui.sources.kubernetes.proxies import goes_directly, is_loopback, proxy_for

FAR = "https://api.corp.example:6443"
DIRECT = [
    # rules, host, port, whether NO_PROXY (or being this machine) makes it direct
    ("", "api.corp.example", 443, False),
    ("", "localhost", 443, True),
    ("", "127.0.0.1", 443, True),
    ("", "127.9.9.9", 443, True),
    ("", "::1", 443, True),
    ("", "::ffff:127.0.0.1", 443, True),
    ("", "127.0.0.1.evil.example", 443, False),
    ("", "localhost.evil.example", 443, False),
    ("*", "api.corp.example", 443, True),
    ("corp.example", "corp.example", 443, True),
    ("corp.example", "api.corp.example", 443, True),
    ("corp.example", "notcorp.example", 443, False),
    (".corp.example", "corp.example", 443, False),
    (".corp.example", "api.corp.example", 443, True),
    ("*.corp.example", "api.corp.example", 443, True),
    ("*.corp.example", "corp.example", 443, False),
    ("CORP.example", "API.corp.EXAMPLE", 443, True),
    ("corp.example:6443", "api.corp.example", 6443, True),
    ("corp.example:6443", "api.corp.example", 443, False),
    ("other, corp.example ,", "api.corp.example", 443, True),
    ("10.0.0.0/8", "10.1.2.3", 443, True),
    ("10.0.0.0/8", "11.1.2.3", 443, False),
    ("10.1.2.3/8", "10.9.9.9", 443, True),
    ("fd00::/8", "fd12::1", 443, True),
    ("10.0.0.0/8", "api.corp.example", 443, False),
    ("10.1.2.3", "10.1.2.3", 443, True),
    ("10.1.2.3:443", "10.1.2.3", 443, True),
    ("10.1.2.3:444", "10.1.2.3", 443, False),
    ("[fd12::1]:443", "fd12::1", 443, True),
    ("[fd12::1]:444", "fd12::1", 443, False),
    ("fd12::1", "fd12::1", 443, True),
    ("10.0.0.0/99", "10.1.2.3", 443, False),
    ("/8", "10.1.2.3", 443, False),
    (":443", "10.1.2.3", 443, False),
    (",,", "api.corp.example", 443, False),
]


@pytest.mark.parametrize(("rules", "host", "port", "direct"), DIRECT)
def test_no_proxy(rules, host, port, direct):
    assert goes_directly(host, port, rules) is direct


CHOSEN = [
    # server, the kubeconfig's proxy-url, environment, the proxy
    (FAR, "", {}, None),
    (FAR, "", {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
    (FAR, "", {"https_proxy": "http://p:3128"}, "http://p:3128"),
    (FAR, "", {"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"}, "http://upper:1"),
    (FAR, "", {"HTTP_PROXY": "http://p:3128", "ALL_PROXY": "http://q:3128"}, None),
    ("http://api.corp.example", "", {"HTTP_PROXY": "http://p:3128"}, "http://p:3128"),
    (FAR, "", {"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
    (FAR, "", {"HTTPS_PROXY": "socks5://p:1080"}, "socks5://p:1080"),
    (FAR, "", {"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "corp.example"}, None),
    (FAR, "", {"HTTPS_PROXY": "http://p:3128", "no_proxy": ".example:6443"}, None),
    ("https://127.0.0.1:6443", "", {"HTTPS_PROXY": "http://p:3128"}, None),
    ("https://[::1]:6443", "", {"HTTPS_PROXY": "http://p:3128"}, None),
    (FAR, "socks5://k:1080", {"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "*"}, "socks5://k:1080"),
    ("https://127.0.0.1:6443", "http://k:3128", {}, "http://k:3128"),
    (FAR, "https://user:word@k:3128", {}, "https://user:word@k:3128"),
]


@pytest.mark.parametrize(("server", "configured", "environment", "proxy"), CHOSEN)
def test_the_kubeconfig_comes_first_and_then_the_environment(server, configured, environment, proxy):
    assert proxy_for(server, configured, environment) == proxy


@pytest.mark.parametrize(
    "value", ["ftp://p:21", "http://", "http://p:99999", "http://p:x", "http://p:0", "http://a b", "http://p\n:1", "://"]
)
def test_a_bad_value_is_a_configuration_error_that_names_it(value):
    with pytest.raises(ConfigError, match="proxy-url of the kubeconfig"):
        proxy_for(FAR, value, {})
    with pytest.raises(ConfigError, match=r"\$HTTPS_PROXY"):
        proxy_for(FAR, "", {"HTTPS_PROXY": value})


def test_the_password_of_a_bad_value_is_not_said():
    with pytest.raises(ConfigError) as caught:
        proxy_for(FAR, "ftp://user:s3cr3t@p:21", {})
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("server", "loopback"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://127.1.2.3:6443", True),
        ("https://[::1]:6443", True),
        ("https://[::ffff:127.0.0.1]:6443", True),
        ("https://127.0.0.1.evil.example", False),
        ("https://127.0.0.1@evil.example", False),
        ("https://localhost.evil.example", False),
        ("https://localhost:6443", False),
        ("https://10.0.0.1:6443", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_this_machine_is_an_address_and_no_name_that_looks_like_one(server, loopback):
    assert is_loopback(server) is loopback
