"""Settings, validate, regions and sizes in Chinese: whole screens, and what stays English."""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chinese.conftest import CHINESE, HAN, KEY

import zimage_cli

PLACE = "/tmp/z-12345678"
"""Stands for the folder of a test's settings, which has another name each time."""

ECHO = 8


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for settings and pictures whose path leaves room in 80 columns."""
    with tempfile.TemporaryDirectory(prefix="z-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def shown(terminal: Any, folder: Path) -> Any:
    """Run a command in a terminal of 80 columns and return its whole screen."""

    def run(*args: str, status: int = 0, typed: str = "", **env: str) -> str:
        own = {"ZIMAGE_HOME": str(folder), "OUTPUT_DIR": str(folder)}
        screen = terminal(*args, columns=80, rows=60, env={**CHINESE, **own, **env})
        if typed:
            asked = "）："
            screen.until(lambda seen: asked in seen.text and not seen.local_modes & ECHO, 60)
            screen.child.send(typed)
        assert screen.end(60) == status, screen.text
        text = re.sub("/tmp/z-.{8}", PLACE, screen.text)
        text = re.sub(r"zimage [\d.]+，Python [\d.]+", "zimage 1，Python 3", text)
        return "\n" + re.sub(r"127\.0\.0\.1:\d+|\d+ ms", "…", text) + "\n"

    return run


def store(folder: Path, text: str) -> None:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


# -- config --------------------------------------------------------------------------------------


def test_config_show(shown: Any, folder: Path) -> None:
    store(folder, f'size = "16:9"\nrps = 0\n[keys]\nsingapore = "{KEY}"\n')
    assert (
        shown("config", ZIMAGE_ENDPOINT="trial")
        == """
设置           值               来源
────────────────────────────────────────────────────────
region         singapore        唯一存有 API Key 的地域
endpoint       trial            环境变量 ZIMAGE_ENDPOINT
workspace      -                默认
base_url       https://trial.ap-southeast-1.maas.aliyuncs.com/api/v1
                                地域和接入点
key            sk-…cdef         配置文件
size           1280×720         配置文件
prompt_extend  false            默认
output_dir     /tmp/z-12345678  环境变量 OUTPUT_DIR
format         png              默认
quality        -                默认
metadata       true             默认
timeout        330 秒           默认
retries        最多重试 4 次    默认
rps            0：不限          配置文件
pace_url       -                默认
pace_account   -                默认
evidence       true             默认
preview        auto             默认
language       zh               环境变量 ZIMAGE_LANG
已存储的 API Key：singapore sk-…cdef
配置文件：/tmp/z-12345678/config.toml
"""
    )


def test_settings_are_stored_and_removed(shown: Any) -> None:
    assert (
        shown("config", "set-region", "beijing", DASHSCOPE_API_REGION="singapore")
        == """
region = beijing，已写入 /tmp/z-12345678/config.toml
警告：已设置环境变量 DASHSCOPE_API_REGION，它优先于配置文件
地域：singapore（环境变量 DASHSCOPE_API_REGION）；shared 接入点，dashscope-intl.
aliyuncs.com
API Key：无；请设置：zimage config set-key --region singapore
"""
    )
    assert (
        shown("config", "set-key", typed=f"{KEY}\r")
        == """
beijing 的 API Key（在 https://bailian.console.aliyun.com 获取，输入不显示）：
beijing 的 API Key sk-…cdef 已存入 /tmp/z-12345678/config.toml
"""
    )
    assert (
        shown("config", "unset", "region")
        == """
region 已从 /tmp/z-12345678/config.toml 中删除
"""
    )
    assert (
        shown("config", "unset", "region")
        == """
/tmp/z-12345678/config.toml 中没有 region
"""
    )


def test_what_a_setting_cannot_be(shown: Any, folder: Path) -> None:
    assert (
        shown("config", "set", "sise", "1", status=2)
        == """
错误：没有名为 "sise" 的设置；是否想用 size？可用：region、endpoint、workspace、
  base_url、key、size、prompt_extend、output_dir、format、quality、metadata、
  timeout、retries、rps、pace_url、pace_account、evidence、preview、language
"""
    )
    store(folder, "timeout = 0\nsize = 7\n")
    assert (
        shown("config", status=2)
        == """
错误：/tmp/z-12345678/config.toml 第 1 行：timeout：0 超出范围；允许：秒数，大于
  0 且不超过 3600
/tmp/z-12345678/config.toml 第 2 行：size：7 的类型不对；允许：带引号的文本
  下一步：请修正：zimage config edit
"""
    )


def test_presets(shown: Any, folder: Path) -> None:
    assert (
        shown("config", "preset")
        == """
还没有预设。可以这样创建：
zimage config preset set ink --prompt '{prompt}, ink wash, blank space'
"""
    )
    store(folder, '[preset."水墨"]\nprompt = "水墨画，留白"\nsize = "3:4"\n')
    assert (
        shown("config", "preset")
        == """
名称  尺寸      种子  prompt_extend  提示词
─────────────────────────────────────────────────
水墨  864×1152  -     -              水墨画，留白
"""
    )
    assert (
        shown("config", "preset", "unset", "水墨")
        == """
预设 水墨 已从 /tmp/z-12345678/config.toml 中删除
"""
    )


# -- validate ------------------------------------------------------------------------------------

WELL = """
✓ 程序      zimage 1，Python 3
✓ 配置      没有配置文件；使用默认值和环境变量
✓ 地域      beijing（默认）
✓ 接入点    shared：https://dashscope.aliyuncs.com/api/v1（默认）
✓ API Key   sk-…cdef（环境变量 DASHSCOPE_API_KEY）
✓ 输出目录  /tmp/z-12345678/ai-image-zimage-turbo/images 可写
✓ 历史记录  /tmp/z-12345678/history.db
一切就绪。
"""


def test_validate(shown: Any, folder: Path) -> None:
    assert shown("validate", DASHSCOPE_API_KEY=KEY) == WELL
    # What is written down is English.
    report = (folder / "aliyun-zimage-turbo" / "validate.txt").read_text("utf-8")
    assert report.splitlines() == [
        "py_compile_ok",
        f"ok code: zimage {zimage_cli.__version__}, Python {platform.python_version()}",
        "ok config: no config file; defaults and environment",
        "ok region: beijing (default)",
        "ok endpoint: shared: https://dashscope.aliyuncs.com/api/v1 (default)",
        "ok key: sk-…cdef (environment DASHSCOPE_API_KEY)",
        f"ok output: {folder}/ai-image-zimage-turbo/images is writable",
        f"ok history: {folder}/history.db",
        "Ready.",
    ]
    no_key = "未就绪：没有 beijing 的 API Key。zimage config set-key --region beijing"
    lines = shown("validate").splitlines()
    assert (lines[5], lines[-1]) == ("! API Key   没有 beijing 的 API Key", no_key)


def test_validate_asks_the_service(shown: Any) -> None:
    text = shown("validate", "一只狐狸", "--sandbox", "--online")
    assert "✓ 请求      1024*1024、种子在发送时随机生成\n✓ 在线      http://…：" in text
    # Where the line ends depends on how long it took.
    assert re.search(
        r"：可访问，APIKey有效，模型可见；连接(…|\d+ms)，响应(…|\d+ms)一切就绪。$",
        re.sub(r"\s", "", text),
    )


def test_validate_with_several_failures(shown: Any, folder: Path) -> None:
    store(folder, "timeout = 0\n")
    assert (
        shown("validate", "fox", "--size", "1*1", status=2)
        == """
✓ 程序  zimage 1，Python 3
✗ 配置  见下文
✗ 请求  见下文
错误：/tmp/z-12345678/config.toml 第 1 行：timeout：0 超出范围；允许：秒数，大于
  0 且不超过 3600
  下一步：请修正：zimage config edit
错误：size："1*1" 为 1 像素；允许：262,144 到 4,194,304 像素；最接近的有效尺寸：
  512*512
  下一步：查看推荐尺寸：zimage sizes
未就绪：2 项检查未通过。
"""
    )


# -- regions and sizes ---------------------------------------------------------------------------


def test_regions(shown: Any) -> None:
    assert (
        shown("regions", DASHSCOPE_API_KEY="sk-a b")
        == """
  地域       ID              价格           含改写        API Key
             主机
─────────────────────────────────────────────────────────────────
✓ beijing    cn-beijing      人民币 ¥0.10   人民币 ¥0.20  不可用
             dashscope.aliyuncs.com
  singapore  ap-southeast-1  美元 US$0.015  美元 US$0.03  不可用
             dashscope-intl.aliyuncs.com
  sandbox    -               免费           免费          不需要
             在本进程内
当前地域：beijing（默认）。
警告：来自“环境变量 DASHSCOPE_API_KEY”的 API Key 的第 5 个字符是空格
"""
    )
    assert (
        shown("regions", "show", "北京", DASHSCOPE_API_KEY=KEY)
        == """
地域                beijing
ID                  cn-beijing
当前                是（默认）
使用的接入点        shared：dashscope.aliyuncs.com
shared 主机         dashscope.aliyuncs.com
workspace 主机      {WorkspaceId}.cn-beijing.maas.aliyuncs.com
trial 主机          trial.cn-beijing.maas.aliyuncs.com
每张价格            人民币 ¥0.10
开启 prompt_extend  人民币 ¥0.20
API Key             sk-…cdef（环境变量 DASHSCOPE_API_KEY）
数据                推理和数据存储均在中国内地
获取 API Key        https://bailian.console.aliyun.com
"""
    )


def test_regions_ping(shown: Any) -> None:
    heading, _, row = shown("regions", "ping", "sandbox").strip().splitlines()
    assert heading.split() == ["地域", "可访问", "API", "Key", "模型", "连接", "响应", "主机"]
    assert row.split() == ["sandbox", "✓", "是", "✓", "有效", "✓", "可见", "…", "…", "本进程"]


def test_sizes(shown: Any) -> None:
    lines = shown("sizes").splitlines()
    assert lines[1:4] == [
        "宽高比      @1024       像素      @1280       像素      @1536       像素",
        "────────────────────────────────────────────────────────────────────────",
        "1:1     1024×1024  1,048,576  1280×1280  1,638,400  1536×1536  2,359,296",
    ]
    assert lines[-2:] == [
        "square 即 1:1、portrait 即 2:3、landscape 即 3:2；不写 @档位 时为 @1024。",
        "总像素在 262,144 到 4,194,304 之间的宽*高均可使用；默认为 1024*1024。",
    ]


# -- which language ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "env", "chinese"),
    [
        ("", {"LANG": "zh_CN.UTF-8"}, True),
        ("", {"LANG": "en_US.UTF-8"}, False),
        ("", {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, False),
        ("", {"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, True),
        ('language = "zh"\n', {"LANG": "C"}, True),
        ('language = "en"\n', {"LANG": "zh_CN.UTF-8"}, False),
        ('language = "en"\n', {"LANG": "C", "ZIMAGE_LANG": "zh"}, True),
        ('language = "zh"\n', {"LANG": "zh_CN.UTF-8", "ZIMAGE_LANG": "en"}, False),
        ('language = "fr"\n', {"LANG": "zh_CN.UTF-8"}, True),
        ('language = "zh"\nsize = 7\n', {"LANG": "C"}, True),
    ],
)
def test_the_language_of_a_command(
    stored: str, env: dict[str, str], chinese: bool, zimage: Any, config_file: Path
) -> None:
    config_file.parent.mkdir(parents=True)
    store(config_file.parent, stored)
    said = "总像素在" if chinese else "Any W*H of"
    assert said in zimage("sizes", env=env).stderr
    # The settings agree, where they can be read.
    run = zimage("config", "get", "language", env=env, status=(0, 2))
    assert run.stdout in ("zh\n" if chinese else "en\n", "")
    assert bool(run.stdout) is (run.status == 0)
    assert run.stderr.startswith("错误：" if chinese and run.status else "")


def test_the_language_is_stored_for_all_that_follows(zimage: Any) -> None:
    assert " in " in zimage("config", "set", "language", "en").stderr
    assert "已写入" in zimage("config", "set", "language", "zh_CN").stderr
    assert "总像素在" in zimage("sizes").stderr
    assert "was not in" in zimage("config", "unset", "size", env={"ZIMAGE_LANG": "en"}).stderr
    assert "removed from" in zimage("config", "unset", "language").stderr
    assert "Any W*H of" in zimage("sizes").stderr


# -- what is the same in every language ----------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "status"),
    [
        *(("config", 0), ("config --json", 0), ("config get rps", 0), ("config path", 0)),
        *(("config set size 1x1", 2), ("config preset --json", 0), ("config preset", 0)),
        *(("validate --json fox --size 1*1", 2), ("validate --json --sandbox", 0)),
        *(("regions", 0), ("regions --json", 0), ("regions show singapore", 0)),
        *(("regions show sandbox --json", 0), ("sizes", 0), ("sizes --json", 0)),
        *(("regions ping --json", 3), ("regions show mars", 2)),
    ],
)
def test_the_result_is_english_where_a_program_may_read_it(
    line: str, status: int, zimage: Any, config_file: Path
) -> None:
    config_file.parent.mkdir(parents=True)
    store(config_file.parent, 'rps = 0\n[preset.ink]\nprompt = "ink"\nseed = 7\n')
    english, chinese = (
        zimage(
            *line.split(),
            env={"DASHSCOPE_API_KEY": "sk-a b", "ZIMAGE_LANG": language},
            status=status,
        )
        for language in ("en", "zh")
    )
    setting = r'(?<=language\t)zh|(?<="language": {"value": ")zh'
    assert re.sub(setting, "en", chinese.stdout) == english.stdout
    assert not re.search(HAN, english.stderr)
    assert bool(re.search(HAN, chinese.stderr)) is bool(english.stderr)
