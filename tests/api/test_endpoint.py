from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.api.endpoint import (
    ENDPOINTS,
    REGION_NAMES,
    REGIONS,
    check_workspace,
    find_region,
    generation_url,
    host_of,
    is_loopback_host,
    models_url,
    normalize_base_url,
    origin_of,
    region_name,
    region_of_host,
    without_query,
)
from zimage_cli.errors import UsageError

GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"

# name, region id, host by endpoint kind: the table of the service's reference.
HOSTS = [
    ("beijing", "cn-beijing", "shared", "dashscope.aliyuncs.com"),
    ("beijing", "cn-beijing", "workspace", "ws-1.cn-beijing.maas.aliyuncs.com"),
    ("beijing", "cn-beijing", "trial", "trial.cn-beijing.maas.aliyuncs.com"),
    ("singapore", "ap-southeast-1", "shared", "dashscope-intl.aliyuncs.com"),
    ("singapore", "ap-southeast-1", "workspace", "ws-1.ap-southeast-1.maas.aliyuncs.com"),
    ("singapore", "ap-southeast-1", "trial", "trial.ap-southeast-1.maas.aliyuncs.com"),
]


@pytest.mark.parametrize(("name", "region_id", "endpoint", "host"), HOSTS)
def test_hosts(name: str, region_id: str, endpoint: str, host: str) -> None:
    for text in (name, region_id, name.upper(), f" {region_id} "):
        region = find_region(text)
        assert region is not None
        assert region.host(endpoint, "ws-1") == host
        assert region.api_root(endpoint, "ws-1") == f"https://{host}/api/v1"
        assert region_name(text) == name
    assert region_of_host(host) == region_of_host(host.upper() + ".") == region


def test_there_are_two_regions_and_three_endpoints() -> None:
    assert REGION_NAMES == ("beijing", "singapore")
    assert ENDPOINTS == ("shared", "workspace", "trial")
    assert region_name(" Sandbox") == "sandbox"


def test_a_region_is_known_by_its_chinese_name() -> None:
    assert (region_name("北京"), region_name(" 新加坡 ")) == ("beijing", "singapore")
    assert find_region("新加坡") is REGIONS[1]


@pytest.mark.parametrize(
    "text", ["", "上海", "frankfurt", "beijing2", "cn", "cn-beijing.", "custom"]
)
def test_no_region(text: str) -> None:
    assert find_region(text) is None
    with pytest.raises(UsageError, match=r"beijing \(cn-beijing\), singapore \(ap-southeast-1\)"):
        region_name(text)


def test_a_misspelt_region_is_told_with_all_that_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        region_name("Bejing")
    assert caught.value.message == (
        "region: 'Bejing' is not a region; allowed: beijing (cn-beijing), "
        "singapore (ap-southeast-1), sandbox"
    )


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "aliyuncs.com",
        "evil-dashscope.aliyuncs.com",
        "dashscope.aliyuncs.com.evil.example",
        "cn-beijing.maas.aliyuncs.com",
        "evilcn-beijing.maas.aliyuncs.com",
        "ws.us-west-1.maas.aliyuncs.com",
    ],
)
def test_hosts_of_nobody(host: str) -> None:
    assert region_of_host(host) is None


@pytest.mark.parametrize("text", ["a", "ws-1", "llm_ABC-9", "0", "a" * 63, " ws-1 "])
def test_workspaces(text: str) -> None:
    assert check_workspace(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-a",
        "_a",
        "a" * 64,
        "a.b",
        "a/b",
        "a@b",
        "a#b",
        "a:b",
        "a b",
        "a?b",
        "a\nb",
        "é",
        "١",
        "a\\",
    ],
)
def test_what_would_send_the_key_elsewhere_is_no_workspace(text: str) -> None:
    with pytest.raises(UsageError, match="workspace"):
        check_workspace(text)
    for region in REGIONS:
        with pytest.raises(UsageError):
            region.host("workspace", text)


@given(st.text(max_size=80))
def test_a_workspace_is_one_label_of_the_regions_host(text: str) -> None:
    for region in REGIONS:
        try:
            host = region.host("workspace", text)
        except UsageError:
            continue
        label, _, rest = host.partition(".")
        assert rest == f"{region.id}.maas.aliyuncs.com"
        assert urlsplit(region.api_root("workspace", text)).hostname == host.lower()
        assert label == text.strip()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("::1", True),
        ("[::1]", True),
        ("", False),
        ("127.1", False),
        ("127.0.0.1.", False),
        ("127.0.0.1.evil.example", False),
        # No address, so a name: a resolver's search list could make it anyone's.
        ("127.0.0.256", False),
        ("127.999.0.1", False),
        ("1270.0.0.1", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("localhost.evil.example", False),
        ("::ffff:127.0.0.1", False),
        ("127.٠.٠.١", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback_host(host) is loopback


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("https://dashscope.aliyuncs.com", "https://dashscope.aliyuncs.com/api/v1"),
        ("https://dashscope.aliyuncs.com/", "https://dashscope.aliyuncs.com/api/v1"),
        (" https://dashscope.aliyuncs.com/api/v1/ ", "https://dashscope.aliyuncs.com/api/v1"),
        (f"https://h.example{GENERATION}", "https://h.example/api/v1"),
        (f"https://h.example{GENERATION}/", "https://h.example/api/v1"),
        ("HTTPS://H.Example", "https://h.example/api/v1"),
        ("https://h.example:443", "https://h.example/api/v1"),
        ("https://h.example:8443", "https://h.example:8443/api/v1"),
        ("https://h_1-2.example", "https://h_1-2.example/api/v1"),
        ("http://localhost", "http://localhost/api/v1"),
        ("http://localhost:80", "http://localhost/api/v1"),
        ("http://127.0.0.1:8080/api/v1", "http://127.0.0.1:8080/api/v1"),
        ("http://[::1]:8080", "http://[::1]:8080/api/v1"),
        ("https://10.0.0.1", "https://10.0.0.1/api/v1"),
    ],
)
def test_base_urls(text: str, root: str) -> None:
    assert normalize_base_url(text) == root
    assert normalize_base_url(root) == root


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dashscope.aliyuncs.com",
        "//dashscope.aliyuncs.com",
        "ftp://h.example",
        "file:///etc/passwd",
        "https://",
        "https:///api/v1",
        "https:h.example",
        "http://dashscope.aliyuncs.com",
        "http://10.0.0.1",
        "http://127.1",
        "http://127.0.0.256",
        "http://localhost.evil.example",
        "https://user@h.example",
        "https://user:word@h.example",
        "https://@h.example",
        "https://h.example@evil.example",
        "https://h.example?",
        "https://h.example?x=1",
        "https://h.example#",
        "https://h.example/#x",
        "https://h.example/api/v2",
        "https://h.example/api/v1/models",
        "https://h.example/api/v1/../../evil",
        "https://h.example//api/v1",
        "https://h.example/compatible-mode/v1",
        "https://h.example:0",
        "https://h.example:",
        "https://h.example:x",
        "https://h.example:65536",
        "https://h.example:+443",
        "https://h.example:4_43",
        "https://h example",
        "https://h.exam\tple",
        "https://h.exam\nple",
        "https://h.example\\@evil.example",
        "https://h..example",
        "https://.h.example",
        "https://h.example.",
        "https://-h.example",
        "https://bücher.example",
        "https://ｈ.example",
        "https://h.example\u200b",
        "https://h%2eexample",
        # Python reads these hosts as k.example, v1.example and ::1.
        "https://\u212a.example",
        "https://[v1.example]",
        "https://h.example[::1]",
        "https://[::1",
        "https://[::1%25eth0]",
        "https://[fe80::1]",
        "https://h.example;x",
    ],
)
def test_what_is_no_base_url(text: str) -> None:
    with pytest.raises(UsageError, match="base URL") as caught:
        normalize_base_url(text)
    assert caught.value.hint


@given(
    st.text(max_size=40)
    | st.from_regex(r"https?://[A-Za-z0-9.:@/\[\]?#\\%_-]{0,40}", fullmatch=True)
)
def test_a_base_url_is_refused_or_names_the_one_host_that_was_written(text: str) -> None:
    try:
        root = normalize_base_url(text)
    except UsageError:
        return
    parts = urlsplit(root)
    assert root == normalize_base_url(root)
    assert parts.path == "/api/v1"
    assert not parts.query
    assert "@" not in root
    assert (parts.hostname or "") in text.lower()
    assert parts.scheme == "https" or is_loopback_host(parts.hostname or "")


def test_urls_made_of_a_root() -> None:
    root = "https://h.example:8443/api/v1"
    assert generation_url(root) == f"https://h.example:8443{GENERATION}"
    assert models_url(root) == f"{root}/models?model=z-image-turbo&page_no=1&page_size=1"
    assert origin_of(root) == "https://h.example:8443"
    assert (host_of(root), host_of("http://[::1]:80/x"), host_of("nonsense")) == (
        "h.example",
        "::1",
        "",
    )
    assert without_query("https://h/a.png?Signature=x#y") == "https://h/a.png"
    assert without_query("https://h/a.png#x?y") == "https://h/a.png"
    assert without_query("https://h/a.png") == "https://h/a.png"
