"""A browser that looks at the pages of `zimage gallery`, and pictures for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chromium import MINUTE, Watch, chromium

import zimage_cli

SOURCE = Path(zimage_cli.__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, one for all tests of a process."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed")
    with chromium(str(tmp_path_factory.mktemp("browser"))) as running:
        yield running


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Look at a file: `page = visit(file, locale="zh-CN")`; `page.watch` is its Watch.

    Any message, error, failed request or request for what is not in the file's folder fails the
    test, but for those that have `page.watch.expected` in them.
    """
    visited = []
    with ExitStack() as contexts:

        def look(address: Path | str, **options: Any) -> Any:
            context = browser.new_context(**{"locale": "en-GB", "timezone_id": "UTC", **options})
            contexts.callback(context.close)
            context.set_default_timeout(MINUTE)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            url = address.as_uri() if isinstance(address, Path) else address
            page = context.new_page()
            page.watch = Watch(context)
            visited.append((page, url.rpartition("/")[0] + "/"))
            page.goto(url, timeout=MINUTE)
            return page

        yield look
        for page, folder in visited:
            # Once this is answered, all that happened before has been told.
            page.title()
            assert page.watch.unexpected == []
            assert [url for url in page.watch.fetched if not url.startswith(folder)] == []


@dataclass(frozen=True)
class Studio:
    """A home in which the sandbox makes pictures, for many tests; each writes pages of its own."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(SOURCE),
            "LANG": "C.UTF-8",
            "ZIMAGE_REGION": "sandbox",
            "ZIMAGE_RPS": "0",
        }

    def __call__(self, *args: str) -> str:
        """Run the command; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "zimage_cli", *args],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self, folder: str, requests: Sequence[dict[str, Any]]) -> Path:
        """Make pictures, and return their folder."""
        lines = "\n".join(map(json.dumps, requests))
        (self.folder / f"{folder}.jsonl").write_text(lines, encoding="utf-8")
        self("batch", f"{folder}.jsonl", "-o", folder)
        return self.folder / folder


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    folder = tmp_path_factory.mktemp("studio")
    (folder / "home").mkdir()
    return Studio(folder)
