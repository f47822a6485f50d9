from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import pexpect
import pytest

from zimage_cli.core.settings.table import TABLE

KEY = "sk-0123456789abcdef0123456789abcdef"
OTHER = "sk-fedcba9876543210fedcba9876543210"
BEIJING = "https://dashscope.aliyuncs.com/api/v1"
SINGAPORE = "https://dashscope-intl.aliyuncs.com/api/v1"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and modes")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def stored(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


# -- show, get, path -----------------------------------------------------------------------------

FRESH = """\
setting        value                                  source
─────────────────────────────────────────────────────────────────────────
region         beijing                                default
endpoint       shared                                 default
workspace      -                                      default
base_url       https://dashscope.aliyuncs.com/api/v1  region and endpoint
key            -                                      none found
size           1024×1024                              default
prompt_extend  false                                  default
output_dir     output                                 default
format         png                                    default
quality        -                                      default
metadata       true                                   default
timeout        330 s                                  default
retries        4 more tries                           default
rps            2 a second                             default
pace_url       -                                      default
pace_account   -                                      default
evidence       true                                   default
preview        auto                                   default
language       en                                     environment LANG
"""


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("args", [(), ("show",)])
def test_show_on_a_terminal(
    terminal: Any, config_file: Path, columns: int, args: tuple[str, ...]
) -> None:
    screen = terminal("config", *args, columns=columns)
    assert screen.end() == 0
    told = f"config file: {config_file} (not made yet)"
    assert "".join(screen.text.splitlines(keepends=True)[:21]) == FRESH
    assert "".join(screen.lines[21:]) == told


def test_show_on_a_fresh_machine(zimage: Any, config_file: Path) -> None:
    run = zimage("config", "show")
    header, _, *rows = FRESH.splitlines()
    assert run.lines == [re.sub("  +", "\t", line) for line in (header, *rows)]
    assert run.stderr == f"config file: {config_file} (not made yet)\n"
    assert not config_file.parent.exists()
    assert zimage("config").stdout == run.stdout
    assert zimage("config", "--json").stdout == zimage("config", "show", "--json").stdout


def test_show_says_what_a_number_means(zimage: Any) -> None:
    for name, value in (("retries", "1"), ("rps", "0"), ("timeout", "90")):
        zimage("config", "set", name, value)
    rows = dict(line.split("\t")[:2] for line in zimage("config").lines)
    shown = (rows["retries"], rows["rps"], rows["timeout"])
    assert shown == ("1 more try", "0: no limit", "90 s")
    assert zimage("config", "get", "rps").stdout == "0\n"


def test_show_masks_keys_and_says_every_source(zimage: Any, config_file: Path) -> None:
    write(
        config_file,
        f'region = "singapore"\nsize = "16:9"\n[keys]\nsingapore = "{KEY}"\nbeijing = "{OTHER}"\n',
    )
    env = {"OUTPUT_DIR": "~/my 图", "DASHSCOPE_WORKSPACE_ID": "llm-1"}
    run = zimage("config", "show", env=env)
    rows = {line.split("\t")[0]: " ".join(line.split("\t")[1:]) for line in run.lines[1:]}
    assert rows["region"] == "singapore config file"
    assert rows["endpoint"] == "workspace a workspace is set"
    assert rows["workspace"] == "llm-1 environment DASHSCOPE_WORKSPACE_ID"
    assert rows["key"] == "sk-…cdef config file"
    assert rows["size"] == "1280×720 config file"
    assert rows["output_dir"].endswith("my 图 environment OUTPUT_DIR")
    assert "stored keys: singapore sk-…cdef, beijing sk-…3210\n" in run.stderr
    assert KEY[5:-4] not in run.stdout + run.stderr


def test_show_as_json(zimage: Any, config_file: Path) -> None:
    write(config_file, f'rps = 0.5\n[keys]\nsingapore = "{KEY}"\n')
    document = zimage("config", "show", "--json").json
    assert document["schema"] == 1
    assert document["config_file"] == str(config_file)
    assert document["target"] == "singapore"
    assert document["stored_keys"] == {"singapore": "sk-…cdef"}
    assert document["settings"]["region"] == {
        "value": "singapore",
        "source": "the one region with a stored key",
    }
    assert document["settings"]["key"] == {"value": "sk-…cdef", "source": "config file"}
    assert document["settings"]["rps"] == {"value": 0.5, "source": "config file"}
    assert document["settings"]["prompt_extend"]["value"] is False
    assert list(document["settings"]) == [line.split()[0] for line in FRESH.splitlines()[2:]]


def test_show_tells_of_a_key_that_cannot_be_used(zimage: Any) -> None:
    run = zimage("config", "show", "--json", env={"DASHSCOPE_API_KEY": "sk-sp-0123456789abcdef"})
    assert run.json["settings"]["key"] == {"value": None, "source": "not usable"}
    assert "Coding Plan" in run.json["warnings"][0]
    assert run.stderr.startswith("warning: the key from environment DASHSCOPE_API_KEY is a Coding")


def test_show_breaks_no_value(terminal: Any, config_file: Path) -> None:
    workspace = "llm-" + "x" * 50
    write(config_file, f'[workspaces]\nbeijing = "{workspace}"\n')
    screen = terminal("config", "show", columns=80)
    assert screen.end() == 0
    url = f"https://{workspace}.cn-beijing.maas.aliyuncs.com/api/v1"
    lines = screen.raw.split("\r\n")
    assert [line.split() for line in lines if url in line] == [["base_url", url]]
    # What is said of it stands on the next line, in its column.
    assert screen.lines[:9] == [
        "setting        value         source",
        "─" * 48,
        "region         beijing       default",
        "endpoint       workspace     a workspace is set",
        f"workspace      {workspace}",
        "                             config file",
        f"base_url       {url[:65]}",
        url[65:],
        "                             region and endpoint",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("region", "beijing"),
        ("base_url", BEIJING),
        ("base-url", BEIJING),
        ("workspace", ""),
        ("key", ""),
        ("prompt_extend", "false"),
        ("timeout", "330"),
    ],
)
def test_get_prints_the_bare_value(name: str, value: str, zimage: Any) -> None:
    assert zimage("config", "get", name).stdout == value + "\n"


def test_get_masks_the_key(zimage: Any) -> None:
    run = zimage("config", "get", "key", env={"DASHSCOPE_API_KEY": KEY})
    assert run.stdout == "sk-…cdef\n"


def test_get_suggests_the_nearest_name(zimage: Any) -> None:
    run = zimage("config", "get", "timeuot", status=2)
    assert '"timeuot" is not a setting; did you mean timeout?' in run.stderr


def test_path(zimage: Any, config_file: Path, tmp_path: Path) -> None:
    assert zimage("config", "path").stdout == f"{config_file}\n"
    run = zimage("config", "path", env={"ZIMAGE_HOME": str(tmp_path / "z z")})
    assert run.stdout == f"{tmp_path / 'z z' / 'config.toml'}\n"


def test_without_any_home_reading_works_and_writing_says_why(zimage: Any, tmp_path: Path) -> None:
    # HOME=/dev/null stands for a home that can hold nothing.
    env = {"HOME": "/dev/null", "USERPROFILE": None}
    assert zimage("config", "get", "region", env=env).stdout == "beijing\n"
    run = zimage("config", "set", "retries", "1", env=env, status=2)
    assert "cannot be written" in run.stderr
    assert "ZIMAGE_HOME" in run.stderr


# -- set and unset -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("region", "ap-southeast-1", "singapore"),
        ("endpoint", "TRIAL", "trial"),
        ("base_url", "https://dashscope.aliyuncs.com", BEIJING),
        ("size", "16:9@1536", "2048*1152"),
        ("prompt_extend", "on", True),
        ("prompt-extend", "0", False),
        ("output_dir", "~/my pictures", "~/my pictures"),
        ("timeout", "60", 60),
        ("timeout", "1.5", 1.5),
        ("retries", "0", 0),
        ("rps", "0", 0),
        ("evidence", "off", False),
        ("preview", "On", "on"),
        ("language", "zh_CN.UTF-8", "zh"),
    ],
)
def test_set_stores_what_the_flag_would_use(
    name: str, value: str, kept: object, zimage: Any, config_file: Path
) -> None:
    run = zimage("config", "set", name, value)
    assert run.stdout == ""
    assert stored(config_file) == {name.replace("-", "_"): kept}
    assert type(stored(config_file)[name.replace("-", "_")]) is type(kept)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("region", "mars", "is not a region; allowed: beijing (cn-beijing), singapore"),
        ("size", "16x9", "nearest valid size: 688*384"),
        ("timeout", "0", "allowed: seconds, more than 0"),
        ("retries", "many", "is not a number"),
        ("prompt_extend", "maybe", "is not a switch; allowed: true, false"),
        ("preview", "true", "allowed: auto, on, off"),
        ("language", "fr", 'language: "fr" is not a language of zimage; allowed: en, zh'),
        ("base_url", "http://example.com", "is http, which is for loopback"),
        ("endpoint", "workspace", "no workspace is set for beijing"),
        ("sizes", "1", "did you mean size?"),
        ("size", "a\x1b[31mb", "control characters"),
    ],
)
def test_set_refuses_what_the_flag_would(
    name: str, value: str, message: str, zimage: Any, config_file: Path
) -> None:
    run = zimage("config", "set", name, value, status=2)
    assert message in run.stderr
    assert "\x1b" not in run.stderr
    assert not config_file.exists()


@pytest.mark.parametrize(
    "args",
    [
        ("config", "set", "key", KEY),
        ("config", "set", "api_key", KEY),
        ("config", "set", "size", KEY),
        ("config", "set", "output_dir", KEY),
        ("config", "set", "workspace", KEY),
        ("config", "set", KEY, "1"),
        ("config", "get", KEY),
        ("config", "set-key", KEY),
        ("config", "set-key", "--region", KEY),
        ("config", "set-region", KEY),
        ("config", "set-region", "beijing", KEY),
        ("config", "unset", KEY),
        ("config", KEY),
    ],
)
def test_a_key_on_the_command_line_is_refused_and_not_echoed(
    args: tuple[str, ...], zimage: Any, config_file: Path
) -> None:
    run = zimage(*args, status=2)
    assert KEY not in run.stdout + run.stderr
    assert not config_file.exists()


def test_set_keeps_the_file_consistent(zimage: Any, config_file: Path) -> None:
    zimage("config", "set", "region", "singapore")
    run = zimage("config", "set", "base_url", BEIJING, status=2)
    assert "is of beijing" in run.stderr
    assert "A key belongs to one region" in run.stderr
    zimage("config", "set", "base_url", SINGAPORE)
    zimage("config", "set-region", "beijing", status=2)
    assert stored(config_file) == {"region": "singapore", "base_url": SINGAPORE}


def test_set_says_what_wins_over_it(zimage: Any) -> None:
    run = zimage("config", "set", "output_dir", "x", env={"OUTPUT_DIR": "y"})
    assert "warning: environment OUTPUT_DIR is set, and wins over the config file\n" in run.stderr


def test_unset(zimage: Any, config_file: Path) -> None:
    write(config_file, '# kept\nregion = "beijing"\nsize = "1:1"\n')
    zimage("config", "unset", "size")
    assert config_file.read_text() == '# kept\nregion = "beijing"\n'
    run = zimage("config", "unset", "size")
    assert "size was not in" in run.stderr


def test_what_is_emptied_leaves_nothing_behind(zimage: Any, config_file: Path) -> None:
    zimage("config", "set", "size", "1:1")
    assert list(config_file.parent.iterdir()) == [config_file]
    zimage("config", "unset", "size")
    assert list(config_file.parent.iterdir()) == []


def test_what_a_killed_change_left_goes_with_the_next(zimage: Any, config_file: Path) -> None:
    write(config_file, "")
    for command in (("set", "size", "16:9"), ("unset", "size")):
        write(config_file.with_name(".zimage-0123456789ab.part"), f'[keys]\nbeijing = "{KEY}"\n')
        zimage("config", *command)
        assert {*config_file.parent.iterdir()} <= {config_file}


def test_unset_repairs_a_file_with_a_name_that_is_no_setting(
    zimage: Any, config_file: Path
) -> None:
    write(config_file, 'colour = "red"\nregion = "beijing"\n')
    run = zimage("config", "show", status=2)
    assert f'{config_file}, line 1: "colour" is not a setting' in run.stderr
    assert "zimage config edit" in run.stderr
    zimage("config", "unset", "colour")
    assert zimage("config", "get", "region").stdout == "beijing\n"


def test_unset_never_takes_the_keys_along(zimage: Any, config_file: Path) -> None:
    write(config_file, f'[keys]\nbeijing = "{KEY}"\n')
    for name in ("keys", "key"):
        assert "unset-key" in zimage("config", "unset", name, status=2).stderr
    zimage("config", "unset", "workspaces", status=2)
    assert stored(config_file) == {"keys": {"beijing": KEY}}


def test_a_corrupt_file_is_named_with_its_line_and_untouched(
    zimage: Any, config_file: Path
) -> None:
    text = 'region = "beijing"\nsize = \n'
    write(config_file, text)
    for args in (("show",), ("get", "size"), ("set", "size", "1:1"), ("set-region", "beijing")):
        run = zimage("config", *args, status=2)
        assert f"{config_file}, line 2: not valid TOML" in run.stderr
    assert config_file.read_text() == text
    assert zimage("config", "path").stdout == f"{config_file}\n"


# -- region and workspace ------------------------------------------------------------------------


def test_set_region_says_what_it_resolves_to(zimage: Any, config_file: Path) -> None:
    run = zimage("config", "set-region", "AP-southeast-1")
    assert run.stdout == ""
    assert run.stderr.splitlines() == [
        f"region = singapore in {config_file}",
        "region: singapore (config file); shared endpoint, dashscope-intl.aliyuncs.com",
        "key: none; set one: zimage config set-key --region singapore",
    ]
    run = zimage("config", "set-region", "sandbox")
    assert run.stderr.splitlines()[1:] == [
        "region: sandbox (config file); inside this process",
        "key: none needed",
    ]
    env = {"DASHSCOPE_API_KEY": KEY, "ZIMAGE_REGION": "singapore"}
    run = zimage("config", "set-region", "beijing", env=env)
    assert run.stderr.splitlines()[1:] == [
        "warning: environment ZIMAGE_REGION is set, and wins over the config file",
        (
            "region: singapore (environment ZIMAGE_REGION); "
            "shared endpoint, dashscope-intl.aliyuncs.com"
        ),
        "key: sk-…cdef (environment DASHSCOPE_API_KEY)",
    ]


GATEWAY = {"DASHSCOPE_BASE_URL": "https://gateway.example"}
OUTRANKED = (
    "calls go to https://gateway.example/api/v1 (environment DASHSCOPE_BASE_URL), "
    "and not to the region singapore (config file)"
)


@pytest.mark.parametrize("command", [("set-region",), ("set", "region")])
def test_a_region_that_a_variable_outranks_is_stored_with_a_warning(
    command: tuple[str, ...], zimage: Any, config_file: Path
) -> None:
    run = zimage("config", *command, "singapore", env=GATEWAY)
    assert f"warning: {OUTRANKED}\n" in run.stderr
    assert stored(config_file) == {"region": "singapore"}


def test_whoever_shows_the_settings_says_that_a_variable_outranks_the_region(
    zimage: Any, config_file: Path
) -> None:
    write(config_file, 'region = "singapore"\n')
    run = zimage("config", "show", "--json", env=GATEWAY)
    assert run.json["warnings"] == [OUTRANKED]
    assert f"warning: {OUTRANKED}\n" in run.stderr
    checks = zimage("validate", "--json", env=GATEWAY).json["checks"]
    assert OUTRANKED in next(check["detail"] for check in checks if check["name"] == "config")
    run = zimage("generate", "a fox", "--dry-run", env={**GATEWAY, "DASHSCOPE_API_KEY": KEY})
    assert OUTRANKED in run.stderr


def test_a_region_flag_beside_a_variable_of_no_region_names_the_ways_out(zimage: Any) -> None:
    args = ("generate", "a fox", "--dry-run", "--region", "singapore")
    run = zimage(*args, env=GATEWAY, status=2)
    for words in ("--region singapore", "https://gateway.example", "--endpoint shared",
                  "--base-url", "unset DASHSCOPE_BASE_URL"):  # fmt: skip
        assert words in run.stderr
    assert "https://dashscope-intl.aliyuncs.com/" in (
        zimage(*args, "--endpoint", "shared", env=GATEWAY).stdout
    )


def test_set_workspace_by_region(zimage: Any, config_file: Path) -> None:
    zimage("config", "set-workspace", "llm-s", "--region", "ap-southeast-1")
    run = zimage("config", "set-workspace", "llm-b")
    assert "workspace endpoint, llm-b.cn-beijing.maas.aliyuncs.com" in run.stderr
    assert stored(config_file) == {"workspaces": {"singapore": "llm-s", "beijing": "llm-b"}}
    zimage("config", "set", "workspace", "llm-c")
    assert stored(config_file)["workspaces"]["beijing"] == "llm-c"
    zimage("config", "unset", "workspace")
    assert stored(config_file) == {"workspaces": {"singapore": "llm-s"}}
    zimage("config", "unset", "workspace", "-r", "singapore")
    assert not config_file.exists()


def test_set_workspace_needs_a_real_region(zimage: Any) -> None:
    run = zimage("config", "set-workspace", "x", env={"ZIMAGE_REGION": "sandbox"}, status=2)
    assert "--region beijing or --region singapore" in run.stderr
    run = zimage("config", "set-workspace", "a.b@evil", status=2)
    assert "is not a workspace id" in run.stderr
    run = zimage("config", "set", "size", "1:1", "--region", "beijing", status=2)
    assert "--region is for workspace and key only" in run.stderr


# -- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", [KEY, f"{KEY}\n", f"  {KEY}  \r\nsecond line\n", f'"{KEY}"', f"\ufeff{KEY}\n"]
)
def test_set_key_reads_one_line_of_a_pipe(line: str, zimage: Any, config_file: Path) -> None:
    run = zimage("config", "set-key", "--region", "cn-beijing", stdin=line)
    assert run.stdout == ""
    assert run.stderr == f"key sk-…cdef stored for beijing in {config_file}\n"
    assert stored(config_file) == {"keys": {"beijing": KEY}}
    assert stat.S_IMODE(config_file.stat().st_mode) == 0o600 or sys.platform == "win32"


def test_the_first_key_makes_its_region_the_active_one(zimage: Any) -> None:
    run = zimage("config", "set-key", "-r", "singapore", stdin=KEY)
    assert "the active region is singapore now (the one region with a stored key)\n" in run.stderr
    run = zimage("config", "set-key", "-r", "beijing", stdin=OTHER)
    assert "the active region is beijing now (default)" in run.stderr
    zimage("config", "set-region", "beijing")
    run = zimage("config", "set-key", "-r", "singapore", stdin=KEY)
    assert "zimage config set-region singapore" in run.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "standard input holds no key"),
        ("\n", "standard input holds no key"),
        ("sk-sp-0123456789abcdef", "Coding Plan"),
        ("hello-there-this-is-no-key", "does not begin with sk-"),
        ("sk-a1b2c3********d4e5f6", "masked form"),
        ("sk-0123456789\x00abcdef", "a character that no key has"),
        (b"sk-\xff\xfe0123456789", "not UTF-8"),
        ("sk-" + "a" * 100_000, "too long"),
    ],
)
def test_set_key_refuses_what_is_no_key_unshown(
    given: str | bytes, message: str, zimage: Any, config_file: Path
) -> None:
    run = zimage("config", "set-key", stdin=given, status=2)
    assert message in run.stderr
    assert "0123456789" not in run.stderr
    assert "hello" not in run.stderr
    assert not config_file.exists()


def test_set_key_from_the_environment(zimage: Any, config_file: Path) -> None:
    assert "is not set" in zimage("config", "set-key", "--from-env", status=2).stderr
    run = zimage("config", "set-key", "--from-env", env={"DASHSCOPE_API_KEY": f" {KEY} "})
    assert stored(config_file) == {"keys": {"beijing": KEY}}
    assert "environment DASHSCOPE_API_KEY is set, and wins" in run.stderr
    assert KEY not in run.stderr


def test_unset_key(zimage: Any, config_file: Path) -> None:
    write(config_file, f'[keys]\n"ap-southeast-1" = "{KEY}"\n')
    run = zimage("config", "unset-key", "--region", "beijing")
    assert "key of beijing was not in" in run.stderr
    run = zimage("config", "unset-key")
    assert "key of singapore removed from" in run.stderr
    assert not config_file.exists()


@POSIX
def terminal(zimage: Any, *args: str) -> Any:
    return pexpect.spawn(
        zimage.command[0],
        [*zimage.command[1:], *args],
        env=zimage.environment(),
        cwd=str(zimage.cwd),
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 80),
    )


def wait_for_no_echo(child: Any) -> None:
    child.waitnoecho(timeout=60)


@POSIX
def test_set_key_asks_without_echo(zimage: Any, config_file: Path) -> None:
    child = terminal(zimage, "config", "set-key", "--region", "singapore")
    child.expect_exact("API key for singapore")
    wait_for_no_echo(child)
    child.sendline(KEY)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "stored for singapore" in child.before
    assert KEY[6:20] not in child.before
    assert stored(config_file) == {"keys": {"singapore": KEY}}


@POSIX
@pytest.mark.parametrize(("control", "status"), [("c", 130), ("d", 2)])
def test_ctrl_c_and_ctrl_d_store_nothing(
    control: str, status: int, zimage: Any, config_file: Path
) -> None:
    child = terminal(zimage, "config", "set-key")
    child.expect_exact("not shown: ")
    wait_for_no_echo(child)
    child.sendcontrol(control)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == status
    assert "Traceback" not in child.before
    assert not config_file.exists()


# -- edit ----------------------------------------------------------------------------------------


@pytest.fixture
def editor(tmp_path: Path) -> Any:
    """Make an editor that runs Python on the copy; `path` is the copy, `text` what it holds."""

    def make(code: str) -> str:
        script = tmp_path / "my editor.py"
        script.write_text(
            "import sys, os, pathlib\n"
            "path = pathlib.Path(sys.argv[-1])\n"
            "text = path.read_text()\n" + code
        )
        return shlex.join([sys.executable, str(script), "--wait"])

    return make


def leftovers(config_file: Path) -> list[Path]:
    return [
        one
        for one in config_file.parent.iterdir()
        if one.suffix in {".toml", ".tmp"} and one != config_file
    ]


def test_edit_replaces_the_file_once_it_is_right(
    zimage: Any, config_file: Path, editor: Any, tmp_path: Path
) -> None:
    write(config_file, f'# mine\nregion = "beijing"\n[keys]\nbeijing = "{KEY}"\n')
    code = (
        "assert sys.argv[1] == '--wait'\n"
        "assert os.name == 'nt' or path.stat().st_mode & 0o777 == 0o600\n"
        f"assert path.parent == pathlib.Path({str(config_file.parent)!r})\n"
        "path.write_text(text.replace('\"beijing\"', '\"singapore\"  # far', 1))\n"
    )
    run = zimage("config", "edit", env={"VISUAL": editor(code), "EDITOR": "/no/such/editor"})
    assert run.stderr == f"changed: {config_file}\n"
    assert config_file.read_text().splitlines()[:2] == ["# mine", 'region = "singapore"  # far']
    assert stat.S_IMODE(config_file.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert leftovers(config_file) == []


def test_edit_makes_a_first_file(zimage: Any, config_file: Path, editor: Any) -> None:
    run = zimage("config", "edit", env={"EDITOR": editor("assert '# region' in text\n")})
    assert run.stderr == f"unchanged: {config_file}\n"
    assert not config_file.exists()
    zimage("config", "edit", env={"EDITOR": editor("path.write_text('retries = 1\\n')")})
    assert stored(config_file) == {"retries": 1}


def test_the_template_is_a_valid_file_when_all_of_it_is_switched_on(
    zimage: Any, config_file: Path, editor: Any
) -> None:
    code = (
        "lines = [line.removeprefix('# ') for line in text.splitlines()]\n"
        "lines = [line.replace('…', 'x') for line in lines if '=' in line or line[:1] == '[']\n"
        "lines = [line for line in lines if not line.startswith('base_url')]\n"
        "path.write_text('\\n'.join(lines))\n"
    )
    zimage("config", "edit", env={"EDITOR": editor(code)})
    assert {*stored(config_file)} == {*TABLE} - {"workspace", "base_url"} | {"workspaces", "preset"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('region = "mars"', "line 1: region: 'mars' is not a region"),
        ("region = ", "line 1: not valid TOML"),
        (f'region = "singapore"\nbase_url = "{BEIJING}"', "is of beijing"),
        ('endpoint = "workspace"', "no workspace is set"),
    ],
)
def test_edit_changes_nothing_on_an_error_and_keeps_the_copy(
    text: str, message: str, zimage: Any, config_file: Path, editor: Any
) -> None:
    before = '# mine\nregion = "beijing"\n'
    write(config_file, before)
    run = zimage("config", "edit", env={"EDITOR": editor(f"path.write_text({text!r})")}, status=2)
    assert message in run.stderr
    assert "Nothing was changed. Correct your copy, then: mv " in run.stderr
    assert config_file.read_text() == before
    (copy,) = leftovers(config_file)
    assert copy.read_text() == text
    assert str(copy) in run.stderr


def test_edit_when_the_file_changed_meanwhile(zimage: Any, config_file: Path, editor: Any) -> None:
    write(config_file, "retries = 1\n")
    code = (
        f"pathlib.Path({str(config_file)!r}).write_text('retries = 2\\n')\n"
        "path.write_text('retries = 3\\n')\n"
    )
    run = zimage("config", "edit", env={"EDITOR": editor(code)}, status=2)
    assert "was changed by another program meanwhile" in run.stderr
    assert stored(config_file) == {"retries": 2}
    assert [copy.read_text() for copy in leftovers(config_file)] == ["retries = 3\n"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/no/such/editor", "cannot be started: No such file"),
        ("'unclosed", "is no command"),
        (shlex.join([sys.executable, "-c", "raise SystemExit(3)"]), "ended with status 3"),
    ],
)
def test_edit_with_an_editor_that_fails(
    command: str, message: str, zimage: Any, config_file: Path
) -> None:
    write(config_file, "retries = 1\n")
    run = zimage("config", "edit", env={"EDITOR": command}, status=2)
    assert message in run.stderr
    assert stored(config_file) == {"retries": 1}
    assert leftovers(config_file) == []


def test_edit_without_any_editor(zimage: Any, tmp_path: Path) -> None:
    run = zimage("config", "edit", env={"PATH": str(tmp_path)}, status=2)
    assert "Set VISUAL or EDITOR" in run.stderr


def test_the_editor_gets_no_key(zimage: Any, config_file: Path, editor: Any, work: Path) -> None:
    code = (
        "import json\n"
        f"pathlib.Path({str(work / 'seen.json')!r}).write_text(json.dumps(dict(os.environ)))\n"
    )
    env = {"DASHSCOPE_API_KEY": KEY, "DASHSCOPE_API_KEY_FILE_PATH": "/no/key", "MINE": "kept"}
    zimage("config", "edit", env={**env, "EDITOR": editor(code)})
    seen = json.loads((work / "seen.json").read_text())
    assert KEY not in seen.values()
    assert seen["DASHSCOPE_API_KEY_FILE_PATH"] == "/no/key"
    assert seen["MINE"] == "kept"


# SIGINT at its default action, as the command line may have it, ends a process at once.
DEFAULT = (
    "import signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "from zimage_cli.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"
)


def edit_in_a_terminal(zimage: Any, command: str, *, default: bool = False) -> Any:
    start = [sys.executable, "-c", DEFAULT] if default else zimage.command
    child = pexpect.spawn(
        start[0],
        [*start[1:], "config", "edit"],
        env=zimage.environment({"EDITOR": command}),
        cwd=str(zimage.cwd),
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact("editing")
    return child


def status_of(child: Any) -> int:
    child.expect(pexpect.EOF)
    child.close()
    return 128 + child.signalstatus if child.signalstatus else child.exitstatus


@POSIX
@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize("name", ["SIGINT", "SIGQUIT"])
def test_ctrl_c_is_the_editor_s(
    name: str, default: bool, zimage: Any, config_file: Path, editor: Any
) -> None:
    write(config_file, f'[keys]\nbeijing = "{KEY}"\n')
    code = (
        f"import signal\nnumber = signal.{name}\n"
        "assert signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [number])\n"
        "print('editing', flush=True)\n"
        "signal.sigwait([number])\n"
        "path.write_text('retries = 1\\n' + text)\n"
    )
    child = edit_in_a_terminal(zimage, editor(code), default=default)
    child.sendcontrol("c" if name == "SIGINT" else "\\")
    assert status_of(child) == 0
    assert "changed: " in child.before
    assert stored(config_file)["retries"] == 1
    assert leftovers(config_file) == []


@POSIX
@pytest.mark.parametrize("default", [False, True])
def test_ctrl_c_that_ends_the_editor_leaves_no_copy(
    default: bool, zimage: Any, config_file: Path, editor: Any
) -> None:
    write(config_file, f'[keys]\nbeijing = "{KEY}"\n')
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "path.write_text('retries = 1\\n')\n"
        "print('editing', flush=True)\nsignal.pause()\n"
    )
    child = edit_in_a_terminal(zimage, editor(code), default=default)
    child.sendcontrol("c")
    assert status_of(child) == 130
    assert "Traceback" not in child.before
    assert stored(config_file) == {"keys": {"beijing": KEY}}
    assert leftovers(config_file) == []


@POSIX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_zimage_ends_the_editor_and_leaves_no_copy(
    number: int, zimage: Any, config_file: Path, editor: Any
) -> None:
    write(config_file, f'[keys]\nbeijing = "{KEY}"\n')
    code = "import signal\nprint('editing', os.getpid(), flush=True)\nsignal.pause()\n"
    child = edit_in_a_terminal(zimage, editor(code))
    child.expect(r"(\d+)\r\n")
    process = int(child.match[1])
    os.kill(child.pid, number)
    assert status_of(child) == 128 + number
    assert leftovers(config_file) == []
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


# -- the whole ------------------------------------------------------------------------------------

HEAVY = (
    "rich",
    "httpx",
    "tomlkit",
    "sqlite3",
    "PIL",
    "pydantic",
    "ssl",
)


def test_get_stays_light(zimage: Any, config_file: Path) -> None:
    write(config_file, f'region = "singapore"\n[keys]\nsingapore = "{KEY}"\n')
    import subprocess

    program = (
        "import sys\n"
        "from zimage_cli.cli.main import main\n"
        "status = main(['config', 'get', 'region'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=zimage.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "singapore\n[] 0\n"


@pytest.mark.parametrize(
    "command",
    ["", "show", "get", "set", "unset", "path", "edit", "set-region", "set-key", "unset-key",
     "set-workspace"],
)  # fmt: skip
def test_every_help_has_examples_and_fits(command: str, zimage: Any) -> None:
    args = [command] if command else []
    run = zimage("config", *args, "--help", env={"COLUMNS": "80"})
    examples = run.stdout.partition("Examples:")[2]
    assert 2 <= examples.count("zimage config") <= 4
    assert max(map(len, run.lines)) <= 80


def test_the_help_of_every_setting_s_option_is_the_table_s(zimage: Any) -> None:
    helps = [zimage(command, "--help").stdout for command in ("generate", "batch")]
    text = " ".join(" ".join(helps).replace("\u2502", " ").split())
    for one in (one for one in TABLE.values() if one.flags):
        for flag in one.flags[0].split("/"):
            assert flag in text
        assert " ".join(one.help.split()) in text


def test_output_in_locale_c(zimage: Any, config_file: Path) -> None:
    write(config_file, 'output_dir = "图"\n')
    env = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    assert zimage("config", "get", "output_dir", env=env).stdout == "图\n"


@POSIX
def test_a_lock_of_a_dead_process_does_not_block(zimage: Any, config_file: Path) -> None:
    holder = (
        "import sys, time\nfrom pathlib import Path\n"
        "from zimage_cli.core.settings.config_change import locked\n"
        "with locked(Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    import subprocess

    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(config_file)],
        env=zimage.environment(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    # Were it still locked, this would end with an error.
    zimage("config", "set", "retries", "1")
    assert stored(config_file) == {"retries": 1}
