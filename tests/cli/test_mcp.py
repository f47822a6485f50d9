"""`zimage mcp` before a server is there: its options, and what a host is told of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

HOSTS = ("claude", "codex", "cursor", "vscode")
COMMAND = [sys.executable, "-m", "zimage_cli", "mcp"]


def entry(host: str, text: str) -> dict[str, Any]:
    """Return the one server that a configuration has."""
    if host == "codex":
        servers = tomllib.loads(text)["mcp_servers"]
    else:
        servers = json.loads(text)["servers" if host == "vscode" else "mcpServers"]
    (name,) = servers
    assert name == "zimage"
    return dict(servers[name])


@pytest.mark.parametrize("host", HOSTS)
def test_what_a_host_is_told(zimage: Any, work: Path, host: str) -> None:
    told = entry(host, zimage("mcp", "--print-config", host).stdout)
    assert [told["command"], *told["args"]] == [
        *COMMAND,
        *("--output-dir", str(work / "output"), "--max-cost", "1.00", "--confirm-above", "0.10"),
    ]
    more = {"codex": {"tool_timeout_sec": 300}, "vscode": {"type": "stdio"}}
    assert {name: told[name] for name in told if name not in {"command", "args"}} == more.get(
        host, {}
    )


@pytest.mark.parametrize("more", [("--region", "singapore"), ("--sandbox",)])
@pytest.mark.parametrize("host", HOSTS)
def test_the_options_of_this_command_are_in_it(
    zimage: Any, work: Path, host: str, more: tuple[str, ...]
) -> None:
    folder = 'pictures "雨" \\ x'
    args = ("--max-cost", "5", "--confirm-above", "0", *more)
    result = zimage("mcp", *args, "--output-dir", folder, "--print-config", host)
    told = entry(host, result.stdout)
    assert told["args"][told["args"].index("mcp") + 1 :] == [
        *("--output-dir", str(work / folder), "--max-cost", "5", "--confirm-above", "0"),
        *more,
    ]
    assert not (work / folder).exists()


def test_the_folder_of_the_settings_is_in_it(zimage: Any, config_file: Path, home: Path) -> None:
    config_file.parent.mkdir(parents=True)
    config_file.write_text('output_dir = "~/art"\n')
    config_file.chmod(0o600)
    told = entry("claude", zimage("mcp", "--print-config", "claude").stdout)
    assert told["args"][told["args"].index("--output-dir") + 1] == str(home / "art")


def test_the_installed_command_is_in_it(zimage: Any, work: Path, tmp_path: Path) -> None:
    # As pip writes it, and as pipx links to it.
    script = tmp_path / "bin" / "zimage"
    script.parent.mkdir()
    text = f"#!{sys.executable}\nfrom zimage_cli.__main__ import run\nrun()\n"
    (tmp_path / "real").write_text(text)
    (tmp_path / "real").chmod(0o755)
    script.symlink_to(tmp_path / "real")
    done = subprocess.run(
        [os.path.relpath(script, work), "mcp", "--print-config", "cursor"],
        cwd=work,
        env=zimage.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert entry("cursor", done.stdout)["command"] == str(script)


@pytest.mark.parametrize(
    ("args", "env", "note"),
    [
        ((), {}, "There is no key yet. Store one: zimage config set-key --region beijing"),
        (
            ("--region", "singapore"),
            {"DASHSCOPE_API_KEY": "sk-0123456789abcdef0123456789abcdef"},
            (
                "The key is in this shell's environment, which a host may not have: "
                "zimage config set-key --region singapore"
            ),
        ),
        (("--sandbox",), {}, None),
    ],
)
def test_where_the_key_is(zimage: Any, args: Any, env: Any, note: str | None) -> None:
    result = zimage("mcp", *args, "--print-config", "vscode", env=env)
    assert result.stderr.splitlines() == [
        "It belongs into .vscode/mcp.json.",
        *([note] if note else []),
    ]
    assert "sk-" not in result.stdout


def test_what_only_this_shell_knows_is_in_it_or_told(zimage: Any, tmp_path: Path) -> None:
    """A host has another environment: the server would ask, and bill, in another region."""
    env = {"ZIMAGE_REGION": "ap-southeast-1", "ZIMAGE_HOME": str(tmp_path)}
    env["ZIMAGE_PACE_ACCOUNT"] = "team"
    result = zimage("mcp", "--print-config", "claude", env=env)
    assert entry("claude", result.stdout)["args"][-2:] == ["--region", "singapore"]
    assert result.stderr.splitlines()[-1] == (
        "In this shell's environment, which a host may not have: ZIMAGE_PACE_ACCOUNT, ZIMAGE_HOME"
    )
    env = {"DASHSCOPE_BASE_URL": "https://dashscope-intl.aliyuncs.com"}
    result = zimage("mcp", "--print-config", "claude", env=env)
    assert entry("claude", result.stdout)["args"][-2:] == ["--region", "singapore"]
    assert result.stderr.endswith(" may not have: DASHSCOPE_BASE_URL\n")
    env = {"DASHSCOPE_BASE_URL": "https://gateway.example"}
    result = zimage("mcp", "--print-config", "claude", env=env)
    assert "--region" not in result.stdout
    assert result.stderr.endswith(" may not have: DASHSCOPE_BASE_URL\n")


def test_a_stored_key_needs_no_word(zimage: Any, config_file: Path) -> None:
    config_file.parent.mkdir(parents=True)
    config_file.write_text('[keys]\nbeijing = "sk-0123456789abcdef0123456789abcdef"\n')
    config_file.chmod(0o600)
    result = zimage("mcp", "--print-config", "codex")
    assert result.stderr == "It belongs into ~/.codex/config.toml.\n"
    assert "sk-" not in result.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--print-config", "vsc"), '--print-config: "vsc" is not allowed; allowed: claude, codex'),
        (("--max-cost", "much"), "--max-cost: 'much' is not an amount; allowed: a number such as"),
        (("--confirm-above", "-1"), "--confirm-above: '-1' is not an amount; allowed: a number"),
        (("--region", "mars"), "mars"),
        (("--output-dir", "a\udce9"), "A path is not UTF-8: no configuration can hold it."),
    ],
)
def test_what_is_refused_before_it_starts(zimage: Any, args: Any, said: str) -> None:
    more = () if "--print-config" in args else ("--print-config", "claude")
    result = zimage("mcp", *args, *more, status=2)
    assert said in result.stderr
    assert result.stdout == ""
