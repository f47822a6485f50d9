"""The official inspector, from npm, finds nothing wrong with the server, and can use it.

`ZIMAGE_INSPECTOR` is a folder that `npm install node@22 @modelcontextprotocol/inspector@2` filled.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import SOURCE

# Other tests take it out of the environment.
FOLDER = os.environ.get("ZIMAGE_INSPECTOR", "")
MODULES = Path(FOLDER) / "node_modules"
NODE = MODULES / ".bin" / "node"
LAUNCHER = MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"

pytestmark = pytest.mark.skipif(
    not (FOLDER and NODE.exists() and LAUNCHER.exists()),
    reason="ZIMAGE_INSPECTOR names no folder with node and the inspector",
)


@pytest.fixture
def inspect(zimage: Any, work: Path, home: Path) -> Any:
    """Ask a server in the sandbox: the JSON of the answer, and what was said on stderr."""
    config = zimage("mcp", "--sandbox", "--print-config", "claude").json
    # It starts servers with what it takes for harmless of its own environment.
    config["mcpServers"]["zimage"]["env"] = {"PYTHONPATH": str(SOURCE), "HOME": str(home)}
    file = work / "servers.json"
    file.write_text(json.dumps(config))

    def ask(era: str, *args: str) -> tuple[Any, str]:
        done = subprocess.run(
            [
                *(str(NODE), str(LAUNCHER), "--cli", "--config", str(file), "--server", "zimage"),
                *("--protocol-era", era, "--connect-timeout", "60000", "--format", "json", *args),
            ],
            env=zimage.environment({"MCP_INSPECTOR_SECRET_STORE": "memory"}),
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["result"], done.stderr

    return ask


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_finds_no_fault(inspect: Any, home: Path, era: str) -> None:
    listed, said = inspect(era, "--method", "tools/list", "--strict")
    assert {"generate_image", "view_picture", "start_batch"} <= {
        tool["name"] for tool in listed["tools"]
    }
    # It warns of what is legal and not known to every model; those are given these alone.
    assert "inputSchema" not in said
    call = ("--method", "tools/call", "--tool-name")
    given = {"prompt": "a fox", "size": "512*512", "seed": 7}
    made, _ = inspect(era, *call, "generate_image", "--tool-args-json", json.dumps(given))
    (picture,) = made["structuredContent"]["pictures"]
    assert Path(picture["path"]).read_bytes()[:4] == b"\x89PNG"
    assert json.loads(made["content"][0]["text"]) == made["structuredContent"]
    wrong = json.dumps({"prompt": "a fox", "size": "5*5"})
    checked, _ = inspect(era, *call, "check_request", "--tool-args-json", wrong)
    assert checked["structuredContent"]["status"] == "invalid"
    # It keeps nothing of ours.
    assert {path.name for path in home.iterdir()} == {".local"}
