"""Chinese on consoles of several encodings, in locales that the test makes itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chinese.conftest import HAN

from zimage_cli.cli.folding import columns_of

GBK = "zh_CN.GBK"

REGIONS = """\
  地域       ID              价格           含改写        API Key
             主机
─────────────────────────────────────────────────────────────────
✓ beijing    cn-beijing      人民币 ¥0.10   人民币 ¥0.20  无
             dashscope.aliyuncs.com
  singapore  ap-southeast-1  美元 US$0.015  美元 US$0.03  无
             dashscope-intl.aliyuncs.com
  sandbox    -               免费           免费          不需要
             在本进程内
当前地域：beijing（默认）。"""

# GBK has no ✓, and no ¥ but the wide one.
REGIONS_IN_GBK = """\
  地域       ID              价格           含改写         API Key
             主机
──────────────────────────────────────────────────────────────────
+ beijing    cn-beijing      人民币 ￥0.10  人民币 ￥0.20  无
             dashscope.aliyuncs.com
  singapore  ap-southeast-1  美元 US$0.015  美元 US$0.03   无
             dashscope-intl.aliyuncs.com
  sandbox    -               免费           免费           不需要
             在本进程内
当前地域：beijing（默认）。"""


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder with the locales of China: for LOCPATH."""
    if shutil.which("localedef") is None:
        pytest.skip("needs localedef")
    folder = tmp_path_factory.mktemp("locales")
    for charset in ("UTF-8", "GBK"):
        place = folder / f"zh_CN.{charset}"
        done = subprocess.run(
            ["localedef", "-i", "zh_CN", "-f", charset, str(place)],
            capture_output=True,
            check=False,
        )
        if not place.exists():
            pytest.skip(f"needs Debian's package locales: {done.stderr!r}")
    return str(folder)


def test_the_locale_alone_chooses_chinese(terminal: Any, locales: str) -> None:
    screen = terminal("regions", env={"LOCPATH": locales, "LANG": "zh_CN.UTF-8"})
    assert screen.end(60) == 0
    assert screen.text == REGIONS


def test_a_console_of_gbk(service: Any, terminal: Any, locales: str) -> None:
    env = {"LOCPATH": locales, "LANG": GBK}
    screen = terminal("regions", env=env, encoding="gbk")
    assert screen.end(60) == 0
    assert screen.text == REGIONS_IN_GBK
    screen = terminal("validate", "fox", env={**env, **service.env}, encoding="gbk")
    assert screen.end(60) == 0
    assert "+ API Key   sk-…cdef（环境变量 DASHSCOPE_API_KEY）" in screen.lines
    assert screen.lines[-1] == "一切就绪。"
    # A picture, with its card and the line that moves.
    args = ("generate", "狐狸", "--size", "512x512", "-o", "fox.png")
    screen = terminal(*args, env={**env, **service.env}, encoding="gbk")
    assert screen.end(60) == 0
    assert screen.lines[0].startswith("+- 请求 -----")
    assert {columns_of(line) for line in screen.lines[:4]} == {80}
    assert re.search(r"^\+ 已保存  512×512 · .* 秒 · ", screen.text, re.MULTILINE)
    assert (service.work / "fox.png").is_file()
    # What is typed there comes as GBK.
    assert service.books.billed[0].prompt == "狐狸"


@pytest.mark.parametrize("encoding", ["gbk", "cp936", "gb18030"])
def test_streams_of_another_encoding(terminal: Any, encoding: str) -> None:
    env = {"PYTHONIOENCODING": encoding, "ZIMAGE_LANG": "zh"}
    screen = terminal("regions", env=env, encoding=encoding)
    assert screen.end(60) == 0
    assert screen.text == (REGIONS if encoding == "gb18030" else REGIONS_IN_GBK)
    screen = terminal("config", "set", "size", "1x1", env=env, encoding=encoding)
    assert screen.end(60) == 2
    assert screen.text.startswith("错误：")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "big5"])
def test_a_console_without_these_letters_is_english(terminal: Any, encoding: str) -> None:
    """Escapes of four digits in place of each letter could be read by nobody."""
    env = {"PYTHONIOENCODING": encoding, "ZIMAGE_LANG": "zh"}
    for line, status in ("config unset size", 0), ("config set size 1x1", 2), ("regions", 0):
        screen = terminal(*line.split(), env=env, encoding=encoding)
        assert screen.end(60) == status
        english = terminal(*line.split(), env={**env, "ZIMAGE_LANG": "en"}, encoding=encoding)
        assert english.end(60) == status
        assert screen.text == english.text


@pytest.mark.parametrize(
    "env",
    [
        {"LANG": "C"},
        {"LANG": "C", "LANGUAGE": "zh_CN"},
        {"LANG": "zh_CN.UTF-8", "LC_ALL": "POSIX"},
        {"LANG": None},
        {"LANG": "en_US.UTF-8"},
        {"LANG": "de_DE.UTF-8"},
    ],
)
def test_all_other_locales_are_english(zimage: Any, env: dict[str, str | None]) -> None:
    for line, status in (("regions", 0), ("sizes", 0), ("config set size 1x1", 2)):
        here, english = (
            zimage(*line.split(), env=one, status=status) for one in (env, {"ZIMAGE_LANG": "en"})
        )
        assert (here.stdout, here.stderr) == (english.stdout, english.stderr)
        assert not re.search(HAN, here.stdout + here.stderr)


@pytest.mark.parametrize("shell", ['"$@"', '"$@" > result'])
def test_questions_on_a_console_of_gbk(terminal: Any, locales: str, shell: str, work: Path) -> None:
    """A file has UTF-8, and the terminal what it understands."""
    env = {"LOCPATH": locales, "LANG": GBK}
    screen = terminal("generate", "-n", "11", env=env, shell=shell, encoding="gbk")
    screen.until(lambda it: it.text == "提示词：", 60)
    screen.child.send("狐狸\r")
    screen.until(lambda it: it.text.endswith("是否继续？[y/N]："), 60)
    screen.child.send("否\r")
    assert screen.end(60) == 130
    assert screen.lines[0] == "提示词： 狐狸"
    assert screen.lines[-2:] == ["是否继续？[y/N]： 否", "未发送任何内容。"]
    if ">" in shell:
        assert (work / "result").read_bytes() == b""


def test_a_prompt_that_is_no_text(service: Any, terminal: Any, locales: str) -> None:
    env = {"LOCPATH": locales, "LANG": GBK, **service.env}
    screen = terminal("generate", env=env, encoding="latin-1")
    screen.until(lambda it: it.raw.endswith("\xcc\xe1\xca\xbe\xb4\xca\xa3\xba "), 60)
    screen.child.send("\xff\r")
    assert screen.end(60) == 2
    error = screen.raw.split("\n")[-2].encode("latin-1").decode("gbk").rstrip()
    assert error.endswith("输入的内容不是终端编码 gbk 的文本"), error
    assert service.books.post_count == 0
