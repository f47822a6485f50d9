from __future__ import annotations

import json
import subprocess
import sys

import pytest

TABLE = """\
ratio      @1024     pixels      @1280     pixels      @1536     pixels
───────────────────────────────────────────────────────────────────────
1:1    1024×1024  1,048,576  1280×1280  1,638,400  1536×1536  2,359,296
2:3     832×1248  1,038,336  1024×1536  1,572,864  1248×1872  2,336,256
3:2     1248×832  1,038,336  1536×1024  1,572,864  1872×1248  2,336,256
3:4     864×1152    995,328  1104×1472  1,625,088  1296×1728  2,239,488
4:3     1152×864    995,328  1472×1104  1,625,088  1728×1296  2,239,488
7:9     896×1152  1,032,192  1120×1440  1,612,800  1344×1728  2,322,432
9:7     1152×896  1,032,192  1440×1120  1,612,800  1728×1344  2,322,432
9:16    720×1280    921,600   864×1536  1,327,104  1152×2048  2,359,296
9:21    576×1344    774,144   720×1680  1,209,600   864×2016  1,741,824
16:9    1280×720    921,600   1536×864  1,327,104  2048×1152  2,359,296
21:9    1344×576    774,144   1680×720  1,209,600   2016×864  1,741,824
"""
NOTES = """\
square is 1:1, portrait is 2:3, landscape is 3:2; without @TIER it is @1024.
Any W*H of 262,144 to 4,194,304 pixels works; the default is 1024*1024.
"""


@pytest.mark.parametrize("columns", [80, 200])
def test_the_whole_screen(zimage, terminal, columns) -> None:
    screen = terminal("sizes", columns=columns)
    assert screen.end() == 0
    assert screen.text + "\n" == TABLE + NOTES


@pytest.mark.parametrize("columns", [None, "80"])
def test_in_a_pipe_it_is_what_can_be_typed(zimage, columns) -> None:
    result = zimage("sizes", env={"COLUMNS": columns})
    header, first, *rest = result.lines
    assert header == "ratio\t@1024\tpixels @1024\t@1280\tpixels @1280\t@1536\tpixels @1536"
    assert first == "1:1\t1024*1024\t1048576\t1280*1280\t1638400\t1536*1536\t2359296"
    assert [line.split("\t")[0] for line in rest] == TABLE.split()[15::7]
    assert result.stderr == NOTES


def test_json(zimage) -> None:
    result = zimage("sizes", "--json")
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    document = result.json
    assert list(document) == ["schema", "status", "default", "limits", "names", "sizes", "errors"]
    assert document["schema"] == 1
    assert document["default"] == "1024*1024"
    assert document["limits"] == {"min_pixels": 262144, "max_pixels": 4194304}
    assert document["names"] == {"square": "1:1", "portrait": "2:3", "landscape": "3:2"}
    assert len(document["sizes"]) == 33
    assert document["sizes"][0] == {
        "ratio": "1:1",
        "tier": 1024,
        "size": "1024*1024",
        "width": 1024,
        "height": 1024,
        "pixels": 1048576,
    }
    # Every size of the document is in the table, with its pixels, in the row of its ratio.
    rows = {line.split()[0]: line.split() for line in TABLE.splitlines()[2:]}
    for size in document["sizes"]:
        row = rows[size["ratio"]]
        place = row.index(size["size"].replace("*", "×"))
        assert row[place + 1] == f"{size['pixels']:,}"
        assert size["size"] == f"{size['width']}*{size['height']}"


def test_json_loads_nothing_that_is_slow(zimage) -> None:
    program = (
        "import json, sys\n"
        "from zimage_cli.cli.main import main\n"
        "status = main(['sizes', '--json'])\n"
        "slow = {'rich', 'httpx', 'sqlite3', 'PIL', 'tomlkit', 'platformdirs',\n"
        "        'asyncio', 'email', 'ssl', 'pydantic'}\n"
        "json.dump([status, sorted(slow & set(sys.modules))], sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=zimage.environment(), capture_output=True, check=True
    )
    assert json.loads(done.stderr) == [0, []]
    assert len(json.loads(done.stdout)["sizes"]) == 33


def test_help_has_examples_and_fits_80_columns(zimage) -> None:
    result = zimage("sizes", "--help", env={"COLUMNS": "80"})
    assert "Show the recommended sizes by ratio and tier." in result.stdout
    assert "zimage sizes --json" in result.stdout
    assert "zimage generate 'A calm lake at dawn' --size 16:9@1536" in result.stdout
    assert max(map(len, result.lines)) <= 80


def test_an_unknown_option_is_a_usage_error(zimage) -> None:
    result = zimage("sizes", "--jsn", status=2)
    assert result.stdout == ""
    assert result.stderr == (
        "error: zimage sizes has no option --jsn. Did you mean --json?\n"
        "  next: zimage sizes --json\n"
    )
