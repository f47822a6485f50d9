from __future__ import annotations

import copy
import os
import pickle
import threading
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.core.settings.config_file import Config
from zimage_cli.core.settings.environment import Environment
from zimage_cli.core.settings.key import Key, check_key
from zimage_cli.core.settings.keys import find_key, missing_key_error
from zimage_cli.errors import AuthenticationError, ConfigurationError, UsageError, ZimageError
from zimage_cli.text import mask, redact

KEY = "sk-0123456789abcdef0123456789abcdef"
OTHER = "sk-fedcba9876543210fedcba9876543210"
NO_CONFIG = Config()


def environment(home: Path, **variables: str) -> Environment:
    return Environment(variables, home)


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def found(env: Environment, config: Config = NO_CONFIG, region: str = "beijing") -> tuple[str, str]:
    result = find_key(env, config, region)
    assert result is not None
    return result[0].reveal(), str(result[1])


# -- shown masked --------------------------------------------------------------------------------


def test_a_key_shows_itself_masked_everywhere() -> None:
    key = Key(KEY)
    shown = [str(key), repr(key), f"{key}", f"{key:>12}", "%s %r" % (key, key), str([key])]  # noqa: UP031
    assert all("…cdef" in text and "456789" not in text for text in shown)
    assert key.reveal() == KEY
    assert not hasattr(key, "__dict__")


def test_a_key_is_frozen_and_does_not_travel() -> None:
    key = Key(KEY)
    with pytest.raises(AttributeError):
        key._text = "x"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del key._text
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        copy.deepcopy(key)
    assert key == Key(KEY) != Key(OTHER)
    assert len({key, Key(KEY)}) == 1


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (KEY, "sk-…cdef"),
        ("st-" + "a" * 40 + "wxyz", "st-…wxyz"),
        ("sk-short", "sk-…"),
        ("no-prefix-but-long-enough", "…ough"),
        ("", "…"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=1))
def test_a_mask_hides_all_but_four_characters(text: str) -> None:
    assert len(mask("sk-" + text).removeprefix("sk-…")) <= min(4, len(text) // 4)


def test_redact_masks_keys_inside_text() -> None:
    text = redact(f"region: '{KEY}' is not a region, st-abcdefgh neither, best-of-all is")
    assert text.startswith("region: 'sk-…cdef' is not a region")
    assert KEY not in text
    assert "st-abcdefgh" not in text
    assert "best-of-all" in text


# -- the shape of a key to store -----------------------------------------------------------------


@pytest.mark.parametrize("text", [KEY, f"  {KEY}\n", f'"{KEY}"', f"'{KEY}' ", "st-" + "a" * 60])
def test_a_key_is_stripped_of_white_space_and_quotes(text: str) -> None:
    assert check_key(text) == text.strip().strip("'\"")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("''", "is empty"),
        ("sk-sp-0123456789abcdef", "Coding Plan"),
        ("0123456789abcdef0123456789", "does not begin with sk-"),
        ("sk-a", "too short"),
        ("sk-" + "a" * 2000, "too long"),
        ("sk-0123 4567 89abcdef", "a space, at place 8"),
        ("sk-0123456789\u200babcdef", "a character that no key has, at place 14"),
        ("sk-0123456789\x00abcdef", "a character that no key has"),
        ("sk-0123456789\r\nX-Header: 1", "a character that no key has"),
        ("sk-０１２３４５６７", "a character that no key has"),
        ("sk-a1b2c3********d4e5f6", "masked form"),
        ("sk-a1b2c3...d4e5f6", "masked form"),
    ],
)
def test_what_is_no_key_is_refused_unshown(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        check_key(text)
    body = text.strip("'\"").removeprefix("sk-sp-")
    assert not body or body not in caught.value.message


@given(st.text())
def test_any_text_is_a_key_for_a_header_or_an_error_without_it(text: str) -> None:
    try:
        key = check_key(text)
    except UsageError as error:
        assert len(text.strip()) < 12 or text.strip() not in error.message
    else:
        key.encode("ascii")
        assert key.isprintable()
        assert " " not in key


# -- where keys are found, in order --------------------------------------------------------------


def test_every_source_in_its_turn(tmp_path: Path) -> None:
    home = tmp_path / "h"
    config = Config(keys={"beijing": Key("sk-config-0123456789")})
    write(home / ".dashscope/api_key", "sk-sdk-file-0123456789\n")
    assert found(environment(home)) == (
        "sk-sdk-file-0123456789",
        str(home / ".dashscope/api_key"),
    )
    write(home / ".alibabacloud/credentials", "[default]\ndashscope_api_key = sk-ini-01234567\n")
    assert found(environment(home)) == (
        "sk-ini-01234567",
        f"{home / '.alibabacloud/credentials'} [default]",
    )
    assert found(environment(home), config) == ("sk-config-0123456789", "config file")
    assert found(environment(home), config, "singapore")[0] == "sk-ini-01234567"
    write(home / "key file", "sk-named-file-0123456789\n\n")
    named = environment(home, DASHSCOPE_API_KEY_FILE_PATH="~/key file")
    assert found(named, config) == (
        "sk-named-file-0123456789",
        "environment DASHSCOPE_API_KEY_FILE_PATH",
    )
    both = environment(
        home, DASHSCOPE_API_KEY_FILE_PATH="~/key file", DASHSCOPE_API_KEY=f" {KEY}\n"
    )
    assert found(both, config) == (KEY, "environment DASHSCOPE_API_KEY")


def test_nothing_anywhere(tmp_path: Path) -> None:
    assert find_key(environment(tmp_path), NO_CONFIG, "beijing") is None
    assert find_key(Environment({}, None), NO_CONFIG, "beijing") is None
    assert find_key(environment(tmp_path, DASHSCOPE_API_KEY=""), NO_CONFIG, "beijing") is None


CREDENTIALS = f"""\
# made by another tool
[default]
type = access_key
access_key_secret = 100%secret

[Work]
DashScope_API_Key = {KEY}

[home]
dashscope_api_key={OTHER}
"""


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({}, None),
        ({"ALIBABA_CLOUD_PROFILE": "Work"}, KEY),
        ({"ALICLOUD_PROFILE": "home"}, OTHER),
        ({"ALIBABA_CLOUD_PROFILE": "Work", "ALICLOUD_PROFILE": "home"}, KEY),
        ({"ALIBABA_CLOUD_PROFILE": "", "ALICLOUD_PROFILE": "home"}, OTHER),
        ({"ALIBABA_CLOUD_PROFILE": "missing"}, None),
    ],
)
def test_profiles_of_the_credentials_file(
    variables: dict[str, str], key: str | None, tmp_path: Path
) -> None:
    write(tmp_path / ".alibabacloud/credentials", CREDENTIALS)
    result = find_key(environment(tmp_path, **variables), NO_CONFIG, "beijing")
    assert (result[0].reveal() if result else None) == key


@pytest.mark.parametrize(
    ("text", "line"),
    [(KEY, 1), (f"[default]\n{KEY}\n", 2), (f"[default\ndashscope_api_key={KEY}", 1)],
)
def test_a_malformed_credentials_file_is_named_and_not_quoted(
    text: str, line: int, tmp_path: Path
) -> None:
    path = tmp_path / ".alibabacloud" / "credentials"
    write(path, text)
    with pytest.raises(ConfigurationError) as caught:
        find_key(environment(tmp_path), NO_CONFIG, "beijing")
    assert f"{path}, line {line}" in caught.value.message
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("relative", [".alibabacloud/credentials", ".dashscope/api_key"])
def test_a_file_that_cannot_be_read_is_named(relative: str, tmp_path: Path) -> None:
    path = tmp_path / relative
    write(path, b"\xff\xfe binary")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        find_key(environment(tmp_path), NO_CONFIG, "beijing")
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigurationError, match="it is a folder") as caught:
        find_key(environment(tmp_path), NO_CONFIG, "beijing")
    assert str(path) in caught.value.message


def test_the_named_file_must_be_good(tmp_path: Path) -> None:
    path = tmp_path / "key"
    named = environment(tmp_path, DASHSCOPE_API_KEY_FILE_PATH=str(path))
    with pytest.raises(AuthenticationError, match="does not exist"):
        find_key(named, NO_CONFIG, "beijing")
    path.write_text(" \n")
    with pytest.raises(AuthenticationError, match="is empty"):
        find_key(named, NO_CONFIG, "beijing")
    path.write_bytes(b"\xef\xbb\xbf" + KEY.encode())
    assert found(named)[0] == KEY
    path.write_bytes(b"x" * 100_000)
    with pytest.raises(AuthenticationError, match="too large"):
        find_key(named, NO_CONFIG, "beijing")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_the_named_file_may_be_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(KEY,))
    writer.start()
    try:
        named = environment(tmp_path, DASHSCOPE_API_KEY_FILE_PATH=str(path))
        assert found(named)[0] == KEY
    finally:
        writer.join()


@pytest.mark.parametrize("bad", ["sk-a b", "sk-a\r\nHost: evil", "sk-ключ-0123456789", "s" * 5000])
def test_a_key_that_fits_no_header_is_refused_unshown(bad: str, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match="environment DASHSCOPE_API_KEY") as caught:
        find_key(environment(tmp_path, DASHSCOPE_API_KEY=bad), NO_CONFIG, "beijing")
    assert bad not in caught.value.message


def test_coding_plan_keys_are_refused_at_the_services_hosts_only(tmp_path: Path) -> None:
    env = environment(tmp_path, DASHSCOPE_API_KEY="sk-sp-0123456789abcdef")
    with pytest.raises(AuthenticationError, match="Coding Plan"):
        find_key(env, NO_CONFIG, "beijing")
    result = find_key(env, NO_CONFIG, "beijing", own_host=False)
    assert result is not None


def test_a_foreign_key_without_the_prefix_is_passed_on(tmp_path: Path) -> None:
    assert found(environment(tmp_path, DASHSCOPE_API_KEY="gateway-token"))[0] == "gateway-token"


@pytest.mark.parametrize("region", ["beijing", "singapore"])
def test_a_missing_key_names_both_ways_out(region: str) -> None:
    error = missing_key_error(region)
    assert isinstance(error, ZimageError)
    assert f"set-key --region {region}" in (error.hint or "")
    assert "console.aliyun.com" in (error.hint or "")
    assert "--sandbox" in (error.hint or "")
    assert "--sandbox" in (missing_key_error("custom").hint or "")
