"""Whole screens of generate in Chinese: what is asked for, made, refused, lost and stopped."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from typing import Any

import pytest
from chinese.conftest import CHINESE, unvarying

from zimage_cli.cli.folding import columns_of
from zimage_cli.sandbox.faults import Fault

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")

FOX = ("generate", "a fox", "--size", "512*512", "--seed", "7")
ORIGIN = "http://127.0.0.1:54321"
"""As long as any: the system gives ports of five digits."""
REQUEST = f"""\
╭─ 请求 ───────────────────────────────────────────────────────────────────────╮
│ a fox                                                                        │
│ 512×512 · 种子 7 · {ORIGIN} · 无目录价                         │
╰──────────────────────────────────────────────────────────────────────────────╯
"""

# What goes wrong, the exit status, and what a person reads below the request.
FAILURES: dict[str, tuple[Any, int, str]] = {
    "refused": (
        "DataInspectionFailed",
        4,
        """\
错误：提示词未通过内容审核。未计费。
  服务端：Input data may contain inappropriate content.（DataInspectionFailed、
    HTTP 400、请求 ID ID）
  下一步：请调整提示词的措辞：换种子没有用。""",
    ),
    "lost": (
        "close",
        6,
        f"""\
错误：请求已发送到 {ORIGIN}，但结果丢失：服务器没有返回响应就断开
  了连接。图片可能已生成并计费。
  下一步：已在 zimage history 中记为“丢失”。重新运行该命令将付费重试；用
    --retry-lost 可自动付费重试。""",
    ),
    "not saved": (
        Fault("picture-404"),
        8,
        """\
错误：图片已生成但未保存。图片服务器返回了 HTTP 404。
  下一步：请在生成后 24 小时内运行：zimage history recover""",
    ),
    "in arrears": (
        "Arrearage",
        5,
        """\
错误：账号已欠费。
  服务端：Access denied, please make sure your account is in good standing.
    （Arrearage、HTTP 400、请求 ID ID）
  下一步：请在阿里云控制台结清欠费。""",
    ),
}


def plain(screen: Any, service: Any = None) -> str:
    """Return what stands on a screen, without times, ids and the port of the service."""
    text = re.sub(r"\d+\.\d 秒", "N 秒", screen.text)
    text = re.sub(r"\d+ kB", "N kB", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID", text)
    return text if service is None else text.replace(service.server.origin, ORIGIN)


@pytest.fixture
def until_shown() -> Any:
    """Set by a test that has seen enough: the service answers then."""
    shown = threading.Event()
    yield shown
    shown.set()


@posix
def test_one_picture_and_no_line_begins_with_a_mark(terminal: Any) -> None:
    args = ("--sandbox", "--prompt-extend", "--seed", "7", "-o", "x.png")
    screen = terminal("generate", "一只狐狸", *args, env=CHINESE)
    assert screen.end() == 0
    assert plain(screen).splitlines() == """\
╭─ 请求 ───────────────────────────────────────────────────────────────────────╮
│ 一只狐狸                                                                     │
│ 1024×1024 · 种子 7 · prompt_extend · 沙箱，免费                              │
╰──────────────────────────────────────────────────────────────────────────────╯
╭─ 改写后的提示词 ─────────────────────────────────────────────────────────────╮
│ 一只狐狸。画面采用主体居中、留白充足，清冷月光与淡淡倒影，细节丰富，层次分   │
│ 明，质感真实。                                                               │
│ 思考过程                                                                     │
│ 用户想要的主体是“一只狐狸”。保留主体，补充构图（主体居中、留白充足）与光线   │
│ （清冷月光与淡淡倒影），不添加新的主体。                                     │
╰──────────────────────────────────────────────────────────────────────────────╯
✓ 已保存  1024×1024 · N kB · N 秒 · 沙箱，免费 · 历史记录 1
x.png""".splitlines()  # fmt: skip


def test_the_same_in_a_pipe(unpaced: None, service: Any) -> None:
    service.script(Fault("Throttling.BurstRate", retry_after="0"))
    run = service(*FOX, "--prompt-extend", "-o", "a/b/x.png", env=CHINESE)
    (row,) = service.history()
    assert re.sub(r"\d+\.\d 秒", "N 秒", run.stderr).splitlines() == [
        "提示词：a fox",
        f"请求：512×512 · 种子 7 · prompt_extend · {service.server.origin} · 无目录价",
        "已创建目录 a/b",
        "请求速率上升过快 [Throttling.BurstRate]：等待 N 秒（第 2 次尝试，最多 5 次）",
        f"改写后的提示词：{row['rewritten_prompt']}",
        f"思考过程：{row['reasoning']}",
        "已保存 a/b/x.png（512×512 · 26 kB · N 秒 · 无目录价 · 历史记录 1）",
    ]
    assert run.lines == ["a/b/x.png"]


@posix
def test_several_pictures(unpaced: None, serve: Any, terminal: Any, until_shown: Any) -> None:
    service = serve(log=lambda _line: until_shown.wait(120))
    service.script("ok", "DataInspectionFailed")
    args = (*FOX, "-n", "2", "-o", "out/", "--name", "{n}")
    screen = terminal(*args, env={**service.env, **CHINESE})
    row = re.compile(r"^. 2  种子 8  绘制中  [━╸─]{26}  \d+\.\d 秒$", re.MULTILINE)
    overall = re.compile(r"^─{26}  0/2  2 张绘制中 · \d+\.\d 秒$", re.MULTILINE)
    screen.until(lambda it: row.search(it.text) and overall.search(it.text))
    until_shown.set()
    assert screen.end() == 4
    card = REQUEST.replace("请求 ───", "2 张图片 ───", 1).replace("────╮", "╮", 1)
    card = card.replace("种子 7 ·", "种子 7、8 ·").replace("目录价    ", "目录价 ")
    lines = plain(screen, service).splitlines()
    assert lines[:4] == card.splitlines()
    assert "✗ 1  提示词未通过内容审核。未计费。" in lines[4:6] or (
        "✗ 2  提示词未通过内容审核。未计费。" in lines[4:6]
    )
    assert re.fullmatch(r"✓ 已保存 1 张 · ✗ 未保存 1 张 · N 秒 · 历史记录 [12]", lines[6])
    assert lines[7:] == FAILURES["refused"][2].splitlines()


@posix
def test_each_of_several_failures_has_one_line(unpaced: None, service: Any, terminal: Any) -> None:
    service.script("close", "close")
    screen = terminal(*FOX, "-n", "2", "--retries", "0", env={**service.env, **CHINESE})
    assert screen.end() == 6
    told = f"请求已发送到 {ORIGIN}，但结果丢失：服务器没有返回响应就断开 …"
    rows = plain(screen, service).splitlines()[4:6]
    assert sorted(rows) == [f"✗ {number}  {told}" for number in (1, 2)]


@posix
def test_a_wait_and_a_download(unpaced: None, service: Any, terminal: Any) -> None:
    for fault, line in (
        (
            Fault("Throttling.BurstRate", retry_after="100"),
            r"^. \d+\.\d 秒后第 2 次尝试（最多 5 次）：请求速率上升过快 \[Th",
        ),
        ("picture-stall", r"^. 下载中  [━╸─]+  \d+ kB/\d+ kB$"),
    ):
        service.script(fault)
        screen = terminal(*FOX, env={**service.env, **CHINESE})
        moving = re.compile(line, re.MULTILINE)
        screen.until(lambda it, moving=moving: moving.search(it.text))
        screen.child.sendintr()
        assert screen.end() == 130
        assert max(columns_of(line) for lines in screen.frames for line in lines) <= 80


@posix
@pytest.mark.parametrize("what", FAILURES)
def test_a_failure(unpaced: None, service: Any, terminal: Any, what: str) -> None:
    fault, status, told = FAILURES[what]
    service.script(fault)
    screen = terminal(*FOX, "--retries", "0", env={**service.env, **CHINESE})
    assert screen.end() == status
    assert plain(screen, service) == REQUEST + told


@posix
def test_without_a_key(terminal: Any) -> None:
    screen = terminal(*FOX, env=CHINESE)
    assert screen.end() == 3
    assert screen.text == """\
错误：未找到 beijing 的 API Key（每个 Key 只属于一个地域）
  下一步：请设置：zimage config set-key --region beijing（在
    https://bailian.console.aliyun.com 获取），或设置 DASHSCOPE_API_KEY。也可以
    不用 Key 试用：--sandbox"""  # fmt: skip


@posix
def test_ctrl_c(unpaced: None, serve: Any, terminal: Any) -> None:
    service = serve(latency=600)
    screen = terminal(*FOX, env={**service.env, **CHINESE})
    screen.until(lambda it: "绘制中" in it.text)
    screen.child.sendintr()
    assert screen.end() == 130
    assert plain(screen, service) == REQUEST + (
        "已中断\n  请求已发送：图片可能已生成并计费。已在 zimage history 中记为“丢失”。"
    )
    screen = terminal(*FOX, "-n", "2", env={**service.env, **CHINESE})
    screen.until(lambda it: "2 张绘制中" in it.text)
    screen.child.sendintr()
    still = "\n正在停止：还有 2 张图片绘制中；再按 Ctrl-C 立即退出"
    screen.until(lambda it: it.text.endswith(still))
    screen.child.sendintr()
    assert screen.end() == 130
    assert screen.text.endswith(
        "\n已中断\n  2 张图片：请求已发送：图片可能已生成并计费。已在 zimage history 中记为“丢失”。"
    )


@posix
@pytest.mark.parametrize(("answer", "status"), [("否", 130), ("是", 3), ("y", 3)])
def test_a_question(terminal: Any, answer: str, status: int) -> None:
    screen = terminal(*FOX, "-n", "20", env=CHINESE)
    ask = "是否继续？[y/N]："
    screen.until(lambda it: it.text.endswith(ask))
    screen.child.send("maybe\n")
    screen.until(lambda it: it.text.endswith(f"错误：请输入 y（是）或 n（否）\n{ask}"))
    screen.child.send(f"{answer}\n")
    assert screen.end() == status
    assert "512×512 · 种子 7 … 26 · beijing · 合计人民币 ¥2.00 " in screen.text
    # A yes goes on to the key, which there is not.
    told = "未发送任何内容。" if status == 130 else "错误：未找到 beijing 的 API Key"
    assert f"\n{told}" in screen.text


def test_nobody_to_ask(zimage: Any) -> None:
    run = zimage(*FOX, "-n", "20", env=CHINESE, status=2)
    assert run.stderr == (
        "20 张图片，目录价：人民币 ¥2.00\n"
        "错误：此次最多花费人民币 ¥2.00。未发送任何内容。\n"
        "  下一步：加 --yes 可事先同意。\n"
    )


DRY = (*FOX, "-n", "2", "-o", "foxes/", "--name", "{n}", "--dry-run")


@posix
def test_a_dry_run(terminal: Any) -> None:
    screen = terminal(*DRY, env=CHINESE)
    assert screen.end() == 0
    table, curl = screen.text.split("\ncurl ")
    assert table.splitlines() == [
        "提示词：a fox",
        "目录：foxes",
        "序号  尺寸     种子  文件",
        "──────────────────────────",
        "   1  512×512     7  1.png",
        "   2  512×512     8  2.png",
        "",
        "其中第一个：",
    ]
    assert curl.endswith("\n\n2 张合计：人民币 ¥0.20\n未发送任何内容")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_dry_run_is_english_in_a_pipe(zimage: Any, more: tuple[str, ...]) -> None:
    chinese, english = (zimage(*DRY, *more, env=env) for env in (CHINESE, {}))
    assert chinese.stdout == english.stdout
    assert "nothing was sent" in chinese.stdout or more


@pytest.mark.parametrize("what", ["saved", *FAILURES])
def test_programs_read_the_same(unpaced: None, service: Any, what: str) -> None:
    fault, status, _ = FAILURES.get(what, ("ok", 0, ""))
    runs = []
    for env in (CHINESE, {}):
        service.script(fault)
        args = (*FOX, "-o", "x.png", "--overwrite", "--no-evidence", "--retries", "0", "--json")
        runs.append(service(*args, env=env, status=status))
    chinese, english = runs
    assert unvarying(chinese.stdout) == unvarying(english.stdout)
    assert chinese.stderr != english.stderr


LOOK = """\
import sys
def look(event, args):
    if event == "socket.connect": print("connect")
    if event == "open" and str(args[0]).endswith("zh_CN.mo"): print("catalogue")
sys.addaudithook(look)
sys.argv = ["zimage", *sys.argv[1:]]
from zimage_cli.__main__ import run
run()
"""


def test_the_request_leaves_before_a_word_is_translated(service: Any) -> None:
    environment = service.zimage.environment({**service.env, **CHINESE})
    found = subprocess.run(
        [sys.executable, "-c", LOOK, *FOX, "-o", "x.png"],
        env=environment,
        cwd=service.work,
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    events = [line for line in found.stdout.splitlines() if line in {"connect", "catalogue"}]
    assert events[0] == "connect"
    assert "catalogue" in events
    assert "提示词：a fox" in found.stderr
