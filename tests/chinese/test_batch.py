"""Whole screens of a batch in Chinese: before it, while it runs, where it stops, and its end."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chinese.conftest import CHINESE, KEY, unvarying
from cli.batch.test_screens import Screen, at_work, bar, job

from zimage_cli.cli.output import Output
from zimage_cli.core.status import Status
from zimage_cli.errors import ConnectionFailed
from zimage_cli.messages import Message
from zimage_cli.sandbox.faults import Fault

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")

KEYED = {"DASHSCOPE_API_KEY": KEY}
FAULTS: list[Any] = [
    *("ok", "DataInspectionFailed", "close", "InvalidParameter"),
    *(Fault("picture-404", count=1), "ok", "empty-200", "InternalError"),
]
TOLD = """\
✓ 2 张已保存到 out/ · N 秒
✗ 1 张被拒绝：DataInspectionFailed（第 2 行）
✗ 1 张结果丢失（第 3 行）
✗ 1 张失败：InvalidParameter（第 4 行）
✗ 1 张已付费但未保存（第 5 行）
✗ 1 张结果丢失：服务故障（第 7 行）
✗ 1 张失败：InternalError（第 8 行）
1 张已付费但未取回：24 小时内取回不再付费；要继续：
  zimage batch prompts.txt -o out -j 1
被拒绝的行请调整措辞：修改后会当作新行生成。
要重试失败的行：
  zimage batch prompts.txt -o out -j 1 --retry-failed
结果丢失的图片可能已计费；要重新生成并再次付费：
  zimage batch prompts.txt -o out -j 1 --retry-lost
"""
AGAIN = """\
图片                   8
已保存                 2
待取回（已付费）       1
此前被拒绝，跳过       1
此前失败，跳过         2
此前结果丢失，跳过     2
待生成                 0
地域                   custom
目录                   out/
✓ 1 张已保存到 out/ · 此前已保存 2 张 · N 秒
✗ 此前被拒绝 1 张，已跳过（第 2 行）
✗ 此前失败 2 张，已跳过（第 4、8 行）
✗ 此前结果丢失 2 张，已跳过（第 3、7 行）
被拒绝的行请调整措辞：修改后会当作新行生成。
要重试失败的行：
  zimage batch prompts.txt -o out -j 1 --retry-failed
结果丢失的图片可能已计费；要重新生成并再次付费：
  zimage batch prompts.txt -o out -j 1 --retry-lost
"""

MISTAKES = """\
第 1 行：sise：不是行的字段；可用：prompt、size、seed、prompt_extend、base_url、
  model、name、output、count、preset；是否想用 size？
第 2 行：prompt："" 是空白。
第 2 行：size："5:4" 不是推荐的宽高比；允许：1:1、2:3、3:2、3:4、4:3、7:9、9:7、
  9:16、9:21、16:9、21:9，或宽*高；最接近的有效尺寸：9:7（1152*896）
第 2 行：seed：-1 超出范围；允许：0 到 2147483647 的整数；最接近：0
第 3 行：prompt：类型不对：3；允许：非空白的文本
第 4 行：第 10 列处不是有效的 JSON：此处应为分隔符 ':'
第 5 行：应为 JSON 对象，实际是：数组
第 6、7 行：steps：不是行的字段；可用：prompt、size、seed、prompt_extend、
  base_url、model、name、output、count、preset
第 8 行：output："../a.png" 不是输出目录内的普通路径
错误：list.jsonl：共 9 行，其中 8 行无法使用。未发送任何内容。
  下一步：请改正这些行，或只生成其余的行：--skip-invalid
"""


@pytest.fixture(autouse=True)
def settled(config_file: Path) -> None:
    """Have the commands that are told fit into a line."""
    config_file.parent.mkdir(parents=True)
    config_file.write_text('rps = 0\nretries = 0\nsize = "512*512"\nevidence = false\n')
    config_file.chmod(0o600)


def masked(text: str) -> str:
    """Return text without how long a run took."""
    return re.sub(r"· \d+ (秒|分钟)", "· N 秒", text)


@posix
def test_the_card_before_it(terminal: Any, work: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"prompt": "风筝", "size": "16:9", "prompt_extend": True},
        {"prompt": "风筝", "count": 2},
        {"prompt": "风筝", "size": "9:16", "count": 3},
        {"prompt": "风筝", "size": "2048*2048"},
    ]
    (work / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    args = ("batch", "list.jsonl", "-o", "out", "-j", "1", "--dry-run")
    screen = terminal(*args, env={**KEYED, **CHINESE})
    assert screen.end() == 0
    assert screen.text == (
        "╭─ 批量任务 ───────────────────────────────────────────────────────────────────╮\n"
        "│ 图片           7 张，来自 4 行                                               │\n"
        "│ 尺寸           720×1280（3 张）、512×512（2 张）、1280×720（1 张），另 1 种  │\n"
        "│ prompt_extend  1 张开启                                                      │\n"
        "│ 价格           人民币 ¥0.80（每张人民币 ¥0.10 或人民币 ¥0.20）               │\n"
        "│ 预计用时       48 秒                                                         │\n"
        "│ 地域           beijing                                                       │\n"
        "│ 目录           out/                                                          │\n"
        "╰──────────────────────────────────────────────────────────────────────────────╯\n"
        "未发送任何内容"
    )


def test_a_screen_of_a_run() -> None:
    screen = Screen(80, **CHINESE)
    with screen.view as view:
        at_work(screen)
        told = [
            "✓ 第 1 行：20261123-041500-a-calm-lake-at-dawn-1189429956.png",
            "✗ 第 2 行被拒绝：提示词未通过内容审核。（DataInspectionFailed）",
            f"{bar(2, 63)}  2/60  ✓ 1  ✗ 1",
            "还需约 32 秒 · 美元 US$0.03 / 0.90",
            "4 张绘制中 · 1 张下载中 · 2 张等待重试 · 1 张连接中 · 50 张排队中",
        ]
        assert screen.lines == told
        gone = ConnectionFailed("{host} could not be reached: {why}.", host="host", why="x")
        view.unreachable(datetime(2026, 1, 1, 14, 2, tzinfo=UTC), gone)
        assert screen.lines == [
            "自 14:02 起无法连接服务；正在重试，最长间隔 30 秒；按 Ctrl-C 停止",
            "  无法连接 host：x。",
            *told[:2],
            "自 14:02 起无法连接服务",
            *told[2:4],
            "4 张绘制中 · 1 张下载中 · 2 张等待重试 · 51 张排队中",
        ]
        view.reachable(75.0)
        assert screen.lines[2] == "服务已恢复连接，中断了 1 分钟"
        view.warn(Message("{place}: {text}", place=job(3).place, text="x"))
        view.stopping()
        assert screen.lines[3:] == [
            *told[:2],
            "第 3 行：x",
            told[2],
            "正在停止：还有 4 张图片绘制中、1 张下载中、1 张连接中；再按 Ctrl-C 立即退出",
        ]


def test_a_narrow_screen_cuts_by_columns() -> None:
    screen = Screen(40, **CHINESE)
    with screen.view as view:
        at_work(screen)
        told = [
            "✓ 第 1 行：20261123-041500-a-calm-lake…",
            "✗ 第 2 行被拒绝：提示词未通过内容审核 …",
            f"{bar(2, 23)}  2/60  ✓ 1  ✗ 1",
        ]
        assert screen.lines == [
            *told,
            "还需约 32 秒 · 美元 US$0.03 / 0.90",
            "4 张绘制中 · 1 张下载中 · 2 张等待重试",
        ]
        view.stopping()
        assert screen.lines == [
            *told,
            "正在停止：还有 4 张图片绘制中、1 张下 …",
            "再按 Ctrl-C 立即退出",
        ]


def test_a_line_now_and_then_where_there_is_no_terminal() -> None:
    screen = Screen(80, **CHINESE)
    with screen.view:
        at_work(screen)
        screen.progress.tally.counts[Status.REFUSED] = 1
        out = Output(stderr=io.StringIO(), environ=CHINESE)
        assert out.text(screen.progress.line()) == (
            "2/60、1 张已保存、1 张被拒绝、还需约 32 秒、美元 US$0.03 / 0.90、4 张绘制中、"
            "1 张下载中、2 张等待重试、1 张连接中、50 张排队中"
        )


@posix
def test_the_summary_of_everything_that_can_become_of_a_line(
    service: Any, terminal: Any, prompts: Any
) -> None:
    service.script(*FAULTS)
    env = {**service.env, **CHINESE}
    screen = terminal("batch", prompts(8), "-o", "out", "-j", "1", env=env)
    assert screen.end(60) == 9
    assert masked(screen.text + "\n").partition("╯\n")[2] == TOLD
    # Again, in a pipe: what was paid is fetched, the others are left alone.
    again = service("batch", "prompts.txt", "-o", "out", "-j", "1", env=CHINESE, status=9)
    assert masked(again.stderr) == AGAIN


@posix
def test_ctrl_c(serve: Any, terminal: Any, prompts: Any) -> None:
    heard = threading.Event()
    service = serve(log=lambda _line: heard.wait(60))
    args = ("batch", prompts(20), "-o", "out", "-j", "3")
    screen = terminal(*args, env={**service.env, **CHINESE})
    screen.until(lambda it: "3 张绘制中 · 17 张排队中" in it.text, 60)
    screen.until(lambda _: service.books.post_count == 3, 60)
    screen.child.sendintr()
    still = "正在停止：还有 3 张图片绘制中；再按 Ctrl-C 立即退出"
    screen.until(lambda it: it.lines[-1] == still, 60)
    heard.set()
    assert screen.end(60) == 130
    assert masked(screen.text).partition("╯\n")[2] == (
        "✓ 3 张已保存到 out/ · N 秒\n剩余 17 张；要继续：\n  zimage batch prompts.txt -o out -j 3"
    )


@posix
def test_ctrl_c_twice(serve: Any, terminal: Any, prompts: Any) -> None:
    service = serve(latency=600.0)
    args = ("batch", prompts(4), "-o", "out", "-j", "1")
    screen = terminal(*args, env={**service.env, **CHINESE})
    screen.until(lambda it: "1 张绘制中" in it.text, 60)
    screen.child.sendintr()
    screen.until(lambda it: "正在停止" in it.text, 60)
    screen.child.sendintr()
    assert screen.end(60) == 130
    assert "已立即退出：1 张图片仍在处理中，可能已生成并计费\n" in screen.text


WRONG = """\
{"prompt": "a", "sise": 1}
{"prompt": "", "size": "5:4", "seed": -1}
{"prompt": 3}
{"prompt"
[]
{"prompt": "a", "steps": 3}
{"prompt": "a", "steps": 3}
{"prompt": "a", "output": "../a.png", "count": 0}
{"prompt": "a"}
"""


@posix
def test_a_file_with_many_mistakes(terminal: Any, work: Path) -> None:
    (work / "list.jsonl").write_text(WRONG)
    screen = terminal("batch", "list.jsonl", "-o", "out", env={**KEYED, **CHINESE})
    assert screen.end() == 2
    assert screen.text + "\n" == MISTAKES


def test_what_a_program_reads_is_the_same_as_in_english(service: Any, prompts: Any) -> None:
    told = []
    for folder, env in (("english", {}), ("chinese", CHINESE)):
        service.script(*FAULTS)
        args = ("batch", prompts(8), "-o", folder, "--seed", "7", "-j", "1")
        run = service(*args, "--json", env=env, status=9)
        told.append(unvarying(run.stdout).replace(folder, "out"))
    assert told[0] == told[1]
    assert told[0].count("\n") == 9
