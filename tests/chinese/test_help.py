"""Help in Chinese, in columns of a terminal, and what is said of a command line with a mistake."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import typer
from chinese.conftest import CHINESE
from translations import without_commands

from zimage_cli.cli.folding import columns_of
from zimage_cli.cli.main import app

NARROW = {**CHINESE, "COLUMNS": "80"}

ROOT = """\
用法：zimage 命令

  在终端中用 Z-Image Turbo 生成图片。

命令：
  generate     根据提示词生成图片并保存。
  batch        为文件中的每一行生成图片。
  validate     检查安装和设置。
  config       查看和修改设置。
  regions      查看地域，检查能否连通。
  sizes        按宽高比和档位显示推荐尺寸。
  history      查看生成过的所有图片，取回未保存的图片。
  open         用桌面看图程序打开图片，并输出路径。
  inspect      显示图片中记录的生成信息。
  gallery      把图片做成一个 HTML 页面，便于浏览和分享。
  sandbox      本机上的模拟服务。
  mcp          通过标准输入和标准输出为支持 MCP 的程序提供服务。
  skill        为智能体提供使用 zimage 所需的说明。
  schema       输出 zimage 输入输出格式的 JSON Schema。
  completions  为 Shell 提供 zimage 命令补全。
  help         显示某个命令的完整帮助。

选项：
  --version  显示版本号。
  --help     显示完整帮助；加 --json 则以一个 JSON 文档输出所有命令的帮助。
  -h         显示常用选项和示例。

退出码：
  0    完成
  1    zimage 自身的缺陷
  2    用法错误：选项有误、请求无效、配置文件损坏
  3    没有 API Key，或者 API Key、权限被拒绝
  4    提示词或图片未通过内容审核
  5    限流、额度或计费问题
  6    无法连接服务，或结果丢失
  7    服务端出错，或返回的内容无法识别
  8    已生成但未保存：24 小时内可用 zimage history recover 取回
  9    批量任务结束时有失败的行，或运行达到 --max-cost 上限
  130  已中断

示例：
  zimage generate 'A calm lake at dawn' --sandbox
  zimage config set-key --region singapore
  zimage generate 'A calm lake at dawn' --size 16:9
"""

SHORT = """\
用法：zimage generate [选项] [PROMPT]

  根据提示词生成图片并保存。

参数：
  PROMPT                   画面内容，中文或英文；- 表示从标准输入读取。

选项：
  -s, --size SIZE          16:9、16:9@1536、square、portrait、landscape、
                           1280x720 …，详见 zimage sizes；默认：1024x1024。
  --seed N                 0 … 2147483647，或 new；默认：随机抽取，随请求发送
                           并记录。
  --prompt-extend / --no-prompt-extend
                           先改写提示词：多用 3–4 秒，价格翻倍；默认：关闭。
  -n, --count N            图片张数，种子依次为 N、N+1 …；默认：1。
  --sandbox                使用 zimage 内置的模拟服务：无需 API Key，免费。
  -o, --output FILE|DIR|-  图片文件、目录（已存在的，或以 / 结尾），或表示标准
                           输出的 -。

示例：
  zimage generate 'A calm lake at dawn' --size '1280*720'
  zimage generate 'A fox in the snow' -n 4 --seed 7 -o foxes/
  zimage generate 'A fox in the snow' --preset ink
  zimage generate 'a {red|blue} kite' --expand --sizes 1:1,16:9 --max-cost 1
  zimage generate --like 42 --seed new
  echo 'A red kite' | zimage generate - --json

完整帮助见 zimage generate --help。
"""

WHOLE = """\
用法：zimage generate [选项] [PROMPT]

  根据提示词生成图片并保存。

参数：
  PROMPT                    画面内容，中文或英文；- 表示从标准输入读取。

图片：
  -s, --size SIZE           16:9、16:9@1536、square、portrait、landscape、
                            1280x720 …，详见 zimage sizes；默认：1024x1024。
  --seed N                  0 … 2147483647，或 new；默认：随机抽取，随请求发送
                            并记录。
  --no-seed                 种子由服务端决定，服务端不会告知其值。
  --prompt-extend / --no-prompt-extend
                            先改写提示词：多用 3–4 秒，价格翻倍；默认：关闭。
  --preset NAME             为提示词套用预设（zimage config preset）；可重复。
  -n, --count N             图片张数，种子依次为 N、N+1 …；默认：1。
  --expand                  展开提示词中的备选项：'a {red|blue} kite' 展开为两
                            个，'a {@colours.txt} kite' 按该文件的行数展开。
  --sizes LIST              按多个尺寸展开：1:1,16:9。
  --seeds LIST              按多个种子展开：1-4,9。
  --request JSON            JSON 对象形式的请求。
  --file FILE               含 JSON 对象形式请求的文件；- 表示标准输入。
  --like REF                以某张图片记录的请求为基础：历史记录 ID、last 或图
                            片文件。
  --rewritten               与 --like 同用：直接发送改写后的提示词，价格减半。

服务：
  -r, --region REGION       beijing、singapore（或其 ID），或 sandbox；默认：
                            已存有 API Key 的地域，否则为 beijing。
  --endpoint KIND           shared、workspace 或 trial；默认：已设置业务空间时
                            为 workspace，否则为 shared。
  --workspace ID            业务空间 ID，用于 workspace 接入点。
  --base-url URL            其他接入点：源地址、以 /api/v1 结尾的地址或完整
                            URL。
  --sandbox                 使用 zimage 内置的模拟服务：无需 API Key，免费。
  --timeout S               等待结果的秒数；默认：330。
  --retries N               不会重复计费时的重试次数；默认：4。
  --retry-lost              结果丢失时也重试：可能计费两次。

运行：
  --pace-alone              按本机的请求速率发送，不论 pace_url 如何设置。
  --max-cost AMOUNT         花费上限，以该地域的货币计。
  -y, --yes                 不询问，无论费用多少。

保存：
  -o, --output FILE|DIR|-   图片文件、目录（已存在的，或以 / 结尾），或表示标
                            准输出的 -。
  --output-dir DIR          图片和运行记录文件的根目录；默认：output。
  --name TEMPLATE           文件名模板；可用字段：{date} {time} {slug} {seed}
                            {n} {size} {region} {width} {height}。
  --overwrite               覆盖已有文件，而不是在文件名后加编号。
  --format FORMAT           png、jpeg 或 webp，用于文件名未指明格式时；默认：
                            png。
  --quality N               JPEG 或 WebP 的质量，1 … 100；默认：92 和 90。
  --no-metadata             不把生成参数写入文件：PNG 与服务返回的逐字节相同。
  --no-evidence             不写运行记录文件。

输出：
  --open                    保存后用桌面看图程序打开。
  --preview / --no-preview  在终端中显示图片；默认：仅在已知支持的终端中。
  --json                    在标准输出上输出一个 JSON 文档。
  --print-response          在标准输出上输出服务的响应，每张图一个 JSON 对象。
  -q, --quiet               只输出结果和错误。
  --dry-run                 显示完整请求、发送地址和价格；不发送。

选项：
  --help                    显示完整帮助。
  -h                        显示常用选项和示例。

退出码：
  0    完成
  2    用法错误：选项有误、请求无效、配置文件损坏
  3    没有 API Key，或者 API Key、权限被拒绝
  4    提示词或图片未通过内容审核
  5    限流、额度或计费问题
  6    无法连接服务，或结果丢失
  7    服务端出错，或返回的内容无法识别
  8    已生成但未保存：24 小时内可用 zimage history recover 取回
  9    批量任务结束时有失败的行，或运行达到 --max-cost 上限
  130  已中断

示例：
  zimage generate 'A calm lake at dawn' --size '1280*720'
  zimage generate 'A fox in the snow' -n 4 --seed 7 -o foxes/
  zimage generate 'A fox in the snow' --preset ink
  zimage generate 'a {red|blue} kite' --expand --sizes 1:1,16:9 --max-cost 1
  zimage generate --like 42 --seed new
  echo 'A red kite' | zimage generate - --json
"""

CONFIG_SET = """\
用法：zimage config set [选项] NAME VALUE

  把一项设置存入配置文件。

参数：
  NAME                 设置名，例如 size。
  VALUE                取值规则与同名选项相同。

选项：
  -r, --region REGION  beijing 或 singapore，或其 ID；默认：当前地域。
  -h, --help           显示本帮助。

退出码：
  0  完成
  2  用法错误：选项有误、请求无效、配置文件损坏

示例：
  zimage config set size 16:9@1536
  zimage config set timeout 60
  zimage config set output_dir '~/Pictures'
"""


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--help"], ROOT),
        (["generate", "-h"], SHORT),
        (["generate", "--help"], WHOLE),
        (["config", "set", "--help"], CONFIG_SET),
    ],
)
def test_the_help(zimage: Any, args: list[str], text: str) -> None:
    run = zimage(*args, env=NARROW)
    assert (run.stdout, run.stderr) == (text, "")


def commands(command: Any, *words: str) -> list[tuple[str, ...]]:
    """Return the words that name a command, and all below it."""
    found = [words]
    context = typer.Context(command)
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        below = command.get_command(context, name)
        if not below.hidden:
            found += commands(below, *words, name)
    return found


def test_every_help_is_in_chinese_and_fits(zimage: Any) -> None:
    for words in commands(typer.main.get_command(app)):
        text = zimage(*words, "--help", env=NARROW).stdout
        prose, _, examples = text.partition("示例：\n")
        assert text.startswith(f"用法：{' '.join(('zimage', *words))} ")
        assert [line for line in prose.split("\n") if columns_of(line) > 80] == []
        english = r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}"
        assert re.findall(english, without_commands(prose)) == []
        # Commands stay what they are, however long.
        other = zimage(*words, "--help", env={"COLUMNS": "80"}).stdout
        assert examples == other.partition("Examples:\n")[2]


def test_without_a_command_the_help_is_an_error(zimage: Any) -> None:
    run = zimage("completions", env=NARROW, status=2)
    assert run.stderr.startswith("用法：zimage completions 命令\n\n  为 Shell 提供")


def test_help_as_data_is_english(zimage: Any) -> None:
    run = zimage("--help", "--json", env=NARROW)
    assert run.stdout == zimage("--help", "--json").stdout
    assert json.loads(run.stdout)["command"]["help"].startswith("Make pictures")


TYPOS = {
    "generat fox": """\
错误：zimage 没有命令 'generat'。是否想用 generate？
  下一步：zimage generate fox
""",
    "generate fox --sise 1:1": """\
错误：zimage generate 没有选项 --sise。是否想用 --size？
  下一步：zimage generate fox --size 1:1
""",
    "generate a red fox": """\
错误：zimage generate 只接受一条提示词：请用引号括起来。
  下一步：zimage generate "a red fox"
""",
    "generate fox —size 1:1": """\
错误：'—size' 以长破折号开头：选项须以连字符开头。
  下一步：zimage generate fox --size 1:1
""",
    "generate --prompt fox": """\
错误：--prompt：提示词直接写在引号中，不需要选项。
  下一步：zimage generate fox
""",
    "generate fox --api-key sk-1234567890abcdef1234": """\
错误：--api-key：zimage 不接受在命令行上给出 API Key，因为本机的任何人都可能看到。
  下一步：请先保存：zimage config set-key；或设置环境变量 DASHSCOPE_API_KEY。
""",
    "generate fox -n many": """\
错误：--count：'many' 不是整数；允许：1 … 10000
  下一步：zimage generate --help
""",
    "generate fox --quiet=1": """\
错误：--quiet 不接受值，却给出了 '1'。
  下一步：zimage generate fox --quiet
""",
    "generate fox --seed": """\
错误：--seed：缺少值；允许：0 … 2147483647，或 new
  下一步：zimage generate fox --seed N
""",
    "config set size": """\
错误：zimage config set：缺少 VALUE。
  下一步：zimage config set size VALUE
""",
    "sizes wide": """\
错误：zimage sizes 不接受参数：'wide' 是多余的。
  下一步：zimage sizes --help
""",
    "regions pong": """\
错误：zimage regions 没有命令 'pong'。是否想用 ping？
  下一步：zimage regions ping
""",
    "help foo": """\
错误：zimage 没有命令 'foo'。
  下一步：zimage --help
""",
    "schema requst": """\
错误：NAME：没有 "requst"；可用：request、response、result、batch-line、error。是否想用 request？
""",
}


@pytest.mark.parametrize("line", TYPOS)
def test_what_is_wrong_with_a_command_line(zimage: Any, line: str) -> None:
    run = zimage(*line.split(), env=NARROW, status=2)
    assert (run.stdout, run.stderr) == ("", TYPOS[line])
