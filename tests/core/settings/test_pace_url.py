"""The address of a Redis: what is one, and that its password is shown nowhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.settings.config_file import read
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.pace_url import PaceUrl, check_pace_account, check_pace_url
from zimage_cli.core.settings.settings import Flags, resolve
from zimage_cli.errors import ConfigurationError, UsageError, ZimageError

SECRET = "hunter2hunter2"


def shown(text: str) -> str:
    url = check_pace_url("pace_url", text)
    assert url is not None
    assert url.reveal() == text.strip()
    return str(url)


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        ("redis://localhost", "redis://localhost"),
        (" redis://10.0.0.7:6380/3 ", "redis://10.0.0.7:6380/3"),
        ("redis://[::1]:6380", "redis://[::1]:6380"),
        ("rediss://cache.example:6379/0", "rediss://cache.example:6379/0"),
        (f"redis://:{SECRET}@localhost:6379", "redis://:…@localhost:6379"),
        (f"redis://zimage:{SECRET}@localhost/2", "redis://zimage:…@localhost/2"),
        (
            f"rediss://u%2F:{SECRET}%40@h?ssl_ca_certs=/ca.pem",
            "rediss://u%2F:…@h?ssl_ca_certs=/ca.pem",
        ),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        (f"unix://:{SECRET}@/run/redis.sock?db=2", "unix://:…@/run/redis.sock?db=2"),
        (f"redis://{SECRET}@localhost", "redis://…@localhost"),
        (f"redis://{SECRET}:@localhost", "redis://…@localhost"),
    ],
)
def test_what_is_an_address(text: str, as_shown: str) -> None:
    assert shown(text) == as_shown


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with none of redis://, rediss://, unix://"),
        (f":{SECRET}@localhost:6379", "begins with none of"),
        (f"http://:{SECRET}@localhost", "begins with none of"),
        (f"redis:///{SECRET}", "is no address of a Redis"),
        (f"redis://:{SECRET}/x@localhost", "is no address of a Redis"),
        (f"redis://:{SECRET}#x@localhost", "is no address of a Redis"),
        (f"redis://:{SECRET}@localhost:port", "is no address of a Redis"),
        (f"redis://:{SECRET}@localhost:99999", "is no address of a Redis"),
        (f"redis://:{SECRET}@[localhost", "is no address of a Redis"),
        (f"redis://:{SECRET}@localhost/one", "is no address of a Redis"),
        (f"unix://:{SECRET}@host/run/redis.sock", "is no address of a Redis"),
        (f"unix://{SECRET}", "is no address of a Redis"),
        (f"redis://localhost?password={SECRET}", "user and password stand before the host"),
        (f"redis://:{SECRET}@localhost?socket_timeout=60", "behind ? may stand db, and nothing"),
        (f"rediss://:{SECRET}@localhost?ssl=no", "behind ? may stand db, ssl_ca_certs"),
        (f"redis://:{SECRET}@localhost?ssl_ca_certs=/ca", "behind ? may stand db, and nothing"),
        (f"unix://:{SECRET}@/socket?ssl_ca_certs=/ca", "behind ? may stand db, and nothing"),
        (f"redis://:{SECRET} @localhost", "or holds what no address has"),
        (f"redis://:{SECRET}\n@localhost", "or holds what no address has"),
        (f"redis://:{SECRET}@localhost" + "x" * 1000, "is too long"),
        (7, "begins with none of"),
    ],
)
def test_what_is_none_is_not_quoted(text: object, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_pace_url("pace_url", text)
    assert why in str(caught.value)
    assert SECRET not in f"{caught.value}{caught.value.hint}{caught.value.facts}"


@given(st.text() | st.text().map("redis://".__add__) | st.from_regex(r"(redis|unix)://[ -~]*"))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        assert isinstance(check_pace_url("pace_url", text), PaceUrl)
    except UsageError as error:
        assert error.facts["field"] == "pace_url"


def test_it_hides_its_password_wherever_it_is_printed() -> None:
    url = check_pace_url("pace_url", f"redis://:{SECRET}%40@localhost")
    assert url is not None
    assert url.has_password
    assert SECRET not in f"{url} {url!r} {url:>50} {[url]} {url.without_password(f'x{SECRET}@x')}"
    assert url == check_pace_url("pace_url", url)
    assert len({url, check_pace_url("pace_url", url.reveal())}) == 1
    for spoil in (lambda: setattr(url, "_shown", ""), lambda: delattr(url, "_shown")):
        with pytest.raises(AttributeError):
            spoil()
    with pytest.raises(TypeError, match="not to be pickled"):
        pickle.dumps(url)


def test_alone_is_no_address() -> None:
    assert check_pace_url("pace_url", False) is None
    home = Environment({"ZIMAGE_PACE_URL": "redis://localhost"}, None)
    assert str(resolve(home).pace_url.value) == "redis://localhost"
    alone = resolve(home, Flags(pace_url=False)).pace_url
    assert (alone.value, alone.source) == (None, "--pace-alone")


def test_an_account_is_a_name_and_no_key() -> None:
    assert check_pace_account("pace_account", " our team ") == "our team"
    for wrong in ("", " ", "a\nb", "x" * 101, 7, None, "sk-0123456789abcdef"):
        with pytest.raises(UsageError) as caught:
            check_pace_account("pace_account", wrong)
        assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("secret", [f":{SECRET}@", f"{SECRET}@", ""])
def test_a_config_file_with_a_password_is_for_nobody_else(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'pace_url = "redis://{secret}localhost"\n')
    path.chmod(0o644)
    warnings = read(path).warnings
    if secret:
        assert warnings == (
            f"{path} holds a password and can be read by others (mode 644): chmod 600 '{path}'",
        )
    else:
        assert warnings == ()
    path.chmod(0o600)
    assert read(path).warnings == ()


def test_what_is_wrong_in_file_and_environment_is_not_quoted_either(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'pace_url = "http://:{SECRET}@localhost"\n')
    path.chmod(0o600)
    errors: list[ZimageError] = []
    for attempt in (
        lambda: read(path),
        lambda: resolve(Environment({"ZIMAGE_PACE_URL": f"http://:{SECRET}@localhost"}, None)),
    ):
        with pytest.raises(ConfigurationError) as caught:
            attempt()
        errors.append(caught.value)
    assert f"{path}, line 1: pace_url: what was given begins with none of" in str(errors[0])
    assert "(from environment ZIMAGE_PACE_URL)" in str(errors[1])
    assert all(SECRET not in f"{error}{error.hint}{error.facts}" for error in errors)
