"""The documentation's picture of a gallery is what the page looks like."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import gallery_screen
import pytest
import screens
from PIL import Image, ImageChops, ImageStat

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

TAKE = """
import sys
from pathlib import Path
from gallery_screen import taken
sys.stdout.buffer.write(taken(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_it_is_up_to_date(tmp_path: Path) -> None:
    stored = Image.open(gallery_screen.PICTURE).convert("RGB")
    page = gallery_screen.made(tmp_path)
    # Playwright starts once in a process, and other tests have started it here.
    shown = subprocess.run(
        [sys.executable, "-c", TAKE, str(page)],
        cwd=Path(gallery_screen.__file__).parent,
        env={**screens.environment(tmp_path / "shell"), "PYTHONPATH": "."},
        capture_output=True,
        timeout=120,
        check=True,
    )
    now = Image.open(io.BytesIO(shown.stdout)).convert("RGB")
    assert stored.size == now.size == (gallery_screen.WIDE, gallery_screen.TALL)
    # Fonts and dates may differ, the pictures and where they stand may not.
    apart = max(ImageStat.Stat(ImageChops.difference(stored, now)).mean)
    assert apart < 6, "python docs/gallery_screen.py makes it anew"
    assert gallery_screen.PICTURE.stat().st_size < 300_000
