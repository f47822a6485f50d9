"""History, inspect and gallery in Chinese: whole screens of 80 columns, and English in a pipe."""

from __future__ import annotations

import io
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from chinese.conftest import CHINESE
from cli.test_inspect import RECIPE
from PIL import Image

from zimage_cli.core.recipe.finish import Wish, finish
from zimage_cli.sandbox.faults import Fault

SAVED = {"bytes": 1_400_000, "elapsed_seconds": 4.25, "path": "/home/me/fox-7.png"}
BEIJING = {"region": "beijing", "cost_amount": "0.10", "cost_currency": "CNY"}
ROWS: list[dict[str, Any]] = [
    {**SAVED, **BEIJING, "prompt": "清晨平静的湖面，薄雾笼罩，远处的群山若隐若现，一叶扁舟"},
    {"status": "refused"},
    {"status": "lost", "seed": None, "size": "2048*1152", "batch": "b"},
    {
        "status": "made",
        "prompt": "红色的风筝",
        "parent": 1,
        "wanted_path": "/home/me/图片/a.png",
        "image_url": "https://bucket.example/kite.png?Signature=secret",
    },
    {**SAVED, "region": "sandbox", "prompt": "a calm lake"},
    {"status": "failed", "error": '{"message": "no"}'},
]


@pytest.fixture
def path(remembered: Any) -> Path:
    """A history with rows of every kind."""
    return remembered(*({"prompt": "雪地里的狐狸", **row} for row in ROWS))


@pytest.fixture
def shown(terminal: Any) -> Any:
    """Run commands one after the other in a terminal of 80 columns; return its lines."""

    def run(*commands: str, status: int = 0, **env: str) -> list[str]:
        shell = "; ".join(f'"$@" {command}' for command in commands)
        screen = terminal(shell=shell, rows=60, env={**CHINESE, "TZ": "UTC", **env})
        assert screen.end(timeout=60) == status, screen.text
        return screen.lines

    return run


LISTED = """\
ID        时间  状态      尺寸       种子            费用  提示词
────────────────────────────────────────────────────────────────────────────────
 6  2001-02-03  ✗ 失败    1024×1024     7               -  雪地里的狐狸
 5  2001-02-03  ✓ 已保存  1024×1024     7            沙箱  a calm lake
 4  2001-02-03  ! 已生成  1024×1024     7   美元 US$0.015  红色的风筝
 3  2001-02-03  ✗ 丢失    2048×1152     -  美元 US$0.015?  雪地里的狐狸
 2  2001-02-03  ✗ 被拒绝  1024×1024     7               -  雪地里的狐狸
 1  2001-02-03  ✓ 已保存  1024×1024     7    人民币 ¥0.10  清晨平静的湖面，薄雾…
共 6 条，最新的在前
ID        时间  状态    尺寸       种子  费用  文件  提示词
─────────────────────────────────────────────────────────────────
 6  2001-02-03  ✗ 失败  1024×1024     7     -  -     雪地里的狐狸
6 条中有 3 条符合，最新的在前；显示了 1 条，用 --limit N 显示更多
6 条历史记录中没有符合条件的。
是否想用命令 zimage history show？
"""
TOLD = """\
ID             4
状态           已生成：已生成并计费，但未保存：zimage history recover
请求时间       2001-02-03 04:05
提示词         红色的风筝
来源图片       历史记录 1
尺寸           1024×1024
种子           7
prompt_extend  关闭
地域           singapore
接入点         https://dashscope-intl.aliyuncs.com
目录价         美元 US$0.015
尝试次数       0
原定路径       /home/me/图片/a.png
"""
SUMS = """\
已生成    3
失败      2
丢失      1
费用      人民币 ¥0.10、最多美元 US$0.045
中位数    4.2 秒
p95       4.2 秒
文件大小  2.8 MB
“最多”：结果丢失的图片可能已计费。
状态    已生成  失败  丢失                             费用
─────────────────────────────────────────────────────────────────────────
已保存       2     0     0      人民币 ¥0.10、美元 US$0.015  ━━━━━━━━━━━━
已生成       1     0     0                    美元 US$0.015  ━━━━━━
丢失         0     0     1                最多美元 US$0.015
失败         0     1     0                                -
被拒绝       0     1     0                                -
合计         3     2     1  人民币 ¥0.10、最多美元 US$0.045
“最多”：结果丢失的图片可能已计费。
"""


def test_what_was_made(path: Path, shown: Any) -> None:
    lines = shown("history", "history 狐狸 --limit 1", "history sho")
    assert lines == LISTED.splitlines()


def test_one_picture_and_the_sums(path: Path, shown: Any) -> None:
    lines = shown("history show 4", "history stats", "history stats --by status")
    assert lines == (TOLD + SUMS).splitlines()


def test_nothing_was_made(shown: Any) -> None:
    assert shown("history", "history stats", "history recover") == [
        *["还没有生成过图片。"] * 2,
        "没有可取回的图片：未发现已生成但未保存的图片。",
    ]


def test_rows_are_forgotten(path: Path, terminal: Any, shown: Any) -> None:
    asked = terminal("history", "forget", "3-4", env=CHINESE)
    asked.until(lambda screen: screen.text.endswith("[y/N]："), timeout=60)
    asked.child.sendline("n")
    assert asked.end(timeout=60) == 130
    warnings = [
        "警告：历史记录 4：已生成、已计费但未保存；没有历史记录就无法取回。",
        "警告：历史记录 3：属于批量任务；再次运行同一批量任务时，可能会重新生成并再次付",
        "  费。",
    ]
    assert asked.lines[:3] == warnings
    assert asked.lines[3].startswith("将删除 2 张图片的历史记录；文件保留。")
    assert asked.lines[-1] == "未删除任何历史记录。"
    assert shown("history forget 3-4 --yes") == [
        *warnings,
        "已删除 2 张图片的历史记录。文件保留：图片、运行记录文件和批量任务写入的内容。",
    ]


def test_pictures_are_recovered(
    unpaced: None, service: Any, shown: Any, home: Path, work: Path
) -> None:
    for number, prompt in enumerate(("红色的风筝", "雪地里的狐狸")):
        service.script(Fault("picture-expired", count=1))
        service.generate(prompt, "--seed", "1", "-o", f"{number}.png", status=8)
    with closing(sqlite3.connect(home / ".local/share/zimage/history.db")) as db, db:
        old = "UPDATE generation SET answered_at = datetime('now', '-1470 minutes') WHERE id = 2"
        db.execute(old)
    # The path alone on standard output: it may be of any length.
    table, told = "history recover --dry-run", "history recover > path"
    lines = [re.sub("5[0-9] 分", "5X 分", line) for line in shown(table, told, **service.env)]
    assert lines == [
        "ID  状态                          提示词",
        "─" * 46,
        " 1  还有 23 小时 5X 分可以取回    红色的风筝",
        " 2  已超过 24 小时：服务端已删除  雪地里的狐狸",
        "✓ 历史记录 1，红色的风筝",
        "历史记录 2，雪地里的狐狸：已超过 24 小时：服务端已删除",
        "共 2 张：已取回 1 张、1 张已无法取回。",
    ]
    assert (work / "path").read_text(encoding="utf-8") == f"{work / '0.png'}\n"


FOX = RECIPE._replace(
    prompt="雪地里的“红”狐狸", rewritten_prompt="雪地里的狐狸，晨雾弥漫", width=24, height=16
)


@pytest.fixture
def pictures(work: Path) -> Path:
    """A folder with a picture of zimage, one of nobody, and one that is none."""
    folder = work / "p"
    folder.mkdir()
    plain = io.BytesIO()
    Image.new("L", (24, 16)).save(plain, "PNG")
    with (folder / "fox.png").open("w+b") as file:
        finish(plain, file, Wish("png"), FOX)
    (folder / "none.png").write_bytes(plain.getvalue())
    (folder / "bad.png").write_bytes(b"x")
    return folder


INSPECTED = """\
p/fox.png
╭─ 生成参数 ───────────────────────────────────────────────────────────────────╮
│ 雪地里的“红”狐狸                                                             │
│ 改写后的提示词                                                               │
│ 雪地里的狐狸，晨雾弥漫                                                       │
│ 1024×1024 · 种子 7 · prompt_extend 开启 · z-image-turbo · beijing · zimage   │
│ 0.1.0                                                                        │
╰──────────────────────────────────────────────────────────────────────────────╯
图片      PNG · 24×16 · 1 kB
sha256    X
请求 ID   4a1f
生成时间  2026-11-23 06:00:00
参数来源  zimage 文本
XMP 来源  trainedAlgorithmicMedia
再次生成  zimage inspect p/fox.png --command

p/none.png
图片      PNG · 24×16 · 71 B
sha256    X
生成参数  无
错误：p/bad.png 不是 PNG、JPEG 或 WebP 图片。
"""


def test_what_pictures_say(shown: Any, pictures: Path) -> None:
    lines = shown("inspect p/fox.png p/none.png p/bad.png", status=2)
    assert [re.sub("[0-9a-f]{64}", "X", line) for line in lines] == INSPECTED.splitlines()


def test_a_gallery_is_in_the_language_of_who_makes_it(shown: Any, pictures: Path) -> None:
    # The path alone on standard output: it may be of any length, and so may those that follow.
    lines = shown("gallery p/ > path", "gallery p/ a", status=2)
    assert "".join(lines) == (
        f"已跳过 {pictures / 'bad.png'}：不是 PNG、JPEG 或 WebP 图片"
        "2 张图片；跳过 1 个文件：不是 PNG、JPEG 或 WebP 图片 1 个"
        "错误：p/ 是目录，其余的词则要在历史记录中搜索：只能给出其中一种。"
    )
    page = (pictures / "gallery.html").read_text(encoding="utf-8")
    assert '<html lang="zh-CN"' in page
    assert '<h1 dir="auto">p</h1>' in page
    assert '<p id="count" role="status">2 张图片</p>' in page


PIPED = """
history
history --json
history show 4
history show 3 --json
history show 77 --json
history stats
history stats --by status
history stats --json
history --status sent --json
history recover --dry-run
history export -o - --format csv
inspect p/fox.png p/none.png
inspect p/fox.png --json
inspect p/bad.png --json
gallery p --json
gallery nothing --json
"""


def test_a_pipe_gets_english(zimage: Any, path: Path, pictures: Path) -> None:
    for line in PIPED.strip().splitlines():
        english, chinese = (
            zimage(*line.split(), status=(0, 2), env={"ZIMAGE_LANG": name}) for name in ("en", "zh")
        )
        assert (english.status, english.stdout) == (chinese.status, chinese.stdout)
    # Who reads along on a terminal is told in Chinese all the same.
    assert chinese.stderr.startswith("错误：6 条历史记录中没有符合条件且已保存的图片。\n")
