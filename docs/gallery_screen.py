"""Make the documentation's picture of a gallery, as Chromium shows it.

    python docs/gallery_screen.py

The sandbox makes the pictures, in an empty home; `zimage gallery` makes the page. Written is
`docs/gallery.png`. tests/browser/test_screen.py compares it with what the page looks like now.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from screens import SOURCE, environment

PICTURE = SOURCE / "docs" / "gallery.png"
WIDE, TALL = 1200, 800
# A limit that only serves against hanging, in milliseconds.
MINUTE = 60_000
# Waits until every thumbnail can be drawn: the page asks for them when it is drawn itself.
DRAWN = """() => Promise.all(
    [...document.querySelectorAll("figure img")].map((image) => {
        image.loading = "eager";
        return image.decode();
    })
)"""
PROMPTS = (
    ("A calm lake at dawn, a wooden boat in the reeds", "1024*1024"),
    ("A red fox in the snow, soft light", "1152*864"),
    ("雪夜里的狐狸", "864*1152"),
    ("A lighthouse above the sea, gulls in the wind", "1024*1024"),
    ("A street in an old town at night, rain on the stones", "1280*720"),
    ("Peonies in a garden after the rain", "1024*1024"),
    ("A forest in the fog, a stag between the trees", "864*1152"),
    ("Dunes in the desert at noon, a caravan far away", "1280*720"),
    ("江上的孤舟,晨雾", "1024*1024"),
    ("Autumn hills at sunset", "1152*864"),
    ("Winter in the mountains, pines under the snow", "1024*1024"),
    ("A hot-air balloon over a morning valley", "1024*1024"),
)


def made(folder: Path) -> Path:
    """Make the pictures and their gallery in a folder; return the page."""
    env = {**environment(folder / "home"), "ZIMAGE_REGION": "sandbox", "ZIMAGE_RPS": "0"}
    lines = (
        json.dumps({"prompt": prompt, "size": size, "seed": 7 + number})
        for number, (prompt, size) in enumerate(PROMPTS)
    )
    (folder / "prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for line in (
        # One after the other: the page shows the newest first.
        "zimage batch prompts.jsonl -o pictures -j 1",
        "zimage gallery pictures --title 'Twelve pictures'",
    ):
        subprocess.run(["/bin/sh", "-c", line], cwd=folder, env=env, check=True)  # noqa: S603
    return folder / "pictures" / "gallery.html"


def taken(page: Path) -> bytes:
    """Return what Chromium shows of a page, as a PNG of at most 256 colours."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox does not start as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments, timeout=MINUTE
        )
        tab = browser.new_page(
            viewport={"width": WIDE, "height": TALL}, locale="en-GB", timezone_id="UTC"
        )
        tab.set_default_timeout(MINUTE)
        tab.goto(page.as_uri())
        tab.evaluate(DRAWN)
        shown = tab.screenshot()
        browser.close()
    out = io.BytesIO()
    with Image.open(io.BytesIO(shown)) as picture:
        picture.convert("RGB").quantize(256).save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    """Write the picture anew."""
    with tempfile.TemporaryDirectory() as name:
        PICTURE.write_bytes(taken(made(Path(name))))
    print(PICTURE.name)


if __name__ == "__main__":
    main()
