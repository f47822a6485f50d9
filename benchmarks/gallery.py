"""How fast a gallery of 10,000 pictures is written, and how fast a browser shows it.

    python benchmarks/gallery.py [--pictures N] [--runs N]

Writing is compared with plain scripts in the same run: without thumbnails with one that makes them
with Pillow, one after the other, of a tenth of the pictures; with them with one that asks the
system for the size and time of every file. From thumbnails that are there it is to take under
5 s. Loading is compared with an empty page in the same Chromium, and is to take under 3 s and 60
requests; without playwright and Chromium that part is left out.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from history import rows
from startup import HERE, environment, ratios, seconds

from zimage_cli.core.history.history import History
from zimage_cli.core.recipe.finish import finish
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.core.request.wish import Wish
from zimage_cli.sandbox.drawing import draw

SIZES = ((512, 512), (512, 288), (288, 512))
SCENES = ("a calm lake at dawn", "a fox in the snow", "a city at night", "a forest in the fog")
ASKED = "import os, sys; [entry.stat() for entry in os.scandir(sys.argv[1])]"
DRAWN = """
import sys
from pathlib import Path
from PIL import Image
folder, count, to = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
for path in sorted(folder.glob("*.png"))[:count]:
    with Image.open(path) as picture:
        picture.thumbnail((480, 480))
        picture.save(to / f"{path.stem}.webp")
"""


def fill(folder: Path, book: History, count: int) -> None:
    """Write pictures that say how they were made, and a history that knows them."""
    drawn = [
        (draw(scene, seed, *size), size) for seed, scene in enumerate(SCENES) for size in SIZES
    ]
    filled = []
    for number, row in enumerate(rows(count)):
        data, (width, height) = drawn[number % len(drawn)]
        size = f"{width}*{height}"
        path = folder / f"{number:06}.png"
        asked = {name: row[name] for name in ("prompt", "seed", "region", "rewritten_prompt")}
        recipe = Recipe(**asked, size=size, model="z-image-turbo", request_id=row["request_id"])
        with path.open("w+b") as file:
            finish(io.BytesIO(data), file, Wish(), recipe)
        there = {"status": "saved", "path": str(path), "bytes": path.stat().st_size}
        filled.append({**row, **there, "size": size, "width": width, "height": height})
    insert = f"INSERT INTO generation ({', '.join(filled[0])}) VALUES (:{', :'.join(filled[0])})"
    book.write(lambda db: db.executemany(insert, filled))


def write(pictures: Path, page: Path, count: int, runs: int, env: dict[str, str]) -> None:
    """Print how long the page takes without thumbnails, and with them."""
    cwd = str(page.parent)
    gallery = [sys.executable, "-m", "zimage_cli", "gallery", str(pictures), "-o", str(page)]
    few, scratch = max(1, count // 10), page.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    plain = [sys.executable, "-c", DRAWN, str(pictures), str(few), str(scratch)]
    drawing = seconds(plain, env, cwd) * count / few
    cold = seconds(gallery, env, cwd)
    line("no thumbnails are there, to a loop with Pillow", cold, drawing, cold / drawing)
    asked = [sys.executable, "-I", "-c", ASKED, str(pictures)]
    measured = ratios(lambda: seconds(gallery, env, cwd), lambda: seconds(asked, env, cwd), runs)
    line("all thumbnails are there, to os.scandir and stat", *measured, "  (under 5 s)")
    thumbnails = sum(file.stat().st_size for file in page.with_name(f"{page.stem}_files").iterdir())
    print(
        f"  the page has {page.stat().st_size / 1e6:.1f} MB, thumbnails {thumbnails / 1e6:.0f} MB"
    )


def look(page: Path, runs: int) -> None:
    """Print how long Chromium takes to load the page, and what it asks for."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("  not measured: playwright is not installed")
        return
    chromium = shutil.which("chromium")
    if not chromium:
        print("  not measured: chromium is not installed")
        return
    empty = page.with_name("empty.html")
    empty.write_text("<!DOCTYPE html><title>empty</title>", encoding="utf-8")
    # Chromium's sandbox does not start as root.
    arguments = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)

        def load(file: Path) -> tuple[float, int]:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            requests: list[str] = []
            context.on("request", lambda request: requests.append(request.url))
            tab = context.new_page()
            began = time.perf_counter()
            tab.goto(file.as_uri(), timeout=600_000)
            # Shown, and not only read: two frames.
            tab.evaluate(
                "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
            )
            took = time.perf_counter() - began
            tab.wait_for_load_state("networkidle")
            context.close()
            return took, len(requests)

        asked = load(page)[1]
        ours, plain, ratio = ratios(lambda: load(page)[0], lambda: load(empty)[0], runs)
        browser.close()
    line("loaded and shown, to an empty page", ours, plain, ratio, "  (under 3 s)")
    print(f"  {asked} requests  (under 60)")


def line(name: str, ours: float, plain: float, ratio: float, aim: str = "") -> None:
    """Print a measurement."""
    print(f"  {name:50} {ours:7.2f} s {plain:7.2f} s {ratio:7.2f} ×{aim}")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    count, runs = options.pictures, options.runs
    with tempfile.TemporaryDirectory() as name:
        home, pictures, page = Path(name), Path(name, "pictures"), Path(name, "gallery.html")
        pictures.mkdir()
        env = {
            **environment(name),
            "ZIMAGE_HOME": name,
            "PYTHONPATH": str(HERE.parent),
            "TZ": "UTC",
        }
        with closing(History(home / "history.db")) as book:
            fill(pictures, book, count)
        print(f"{count:,} pictures, all in the history")
        write(pictures, page, count, runs, env)
        look(page, runs)
        (home / "history.db").unlink()
        print("the same from what the files say themselves")
        write(pictures, home / "said.html", count, runs, env)


if __name__ == "__main__":
    main()
