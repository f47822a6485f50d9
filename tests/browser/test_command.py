"""Pages that the command wrote of real files: hostile texts, commands to copy, names, folders."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import screens
from chromium import to_images

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells and file names")

HOSTILE = (
    "<script>window.hit = 1; alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</title></style></figure></dialog></script><script>alert(1)</script>",
    "{{7*7}}{% raw %}{{ cards }}{# #}",
    "javascript:alert(1)//' onclick='alert(1)' `$(touch hit)` \\ $HOME !! %41 &",
    "&lt;b&gt;&amp;#60; a\u202eb\u2028c\u2066d\n\ttwo lines",
)
PLAIN = tuple(f"a kite of {number}" for number in range(len(HOSTILE)))
NAMES = (
    *("a#b.png", "what?.png", "100%25 %zz.png", "two  blanks .png", "雪夜.png", 'it\'s "it".png'),
    *("a:b.png", "<b>&amp;.png", "new\nline.png", "-o.png", "a..png.png", "back\\slash.png"),
)


def asked(prompts: tuple[str, ...], **more: Any) -> list[dict[str, Any]]:
    return [
        {"prompt": prompt, "size": "512*512", "seed": 100 + number, **more}
        for number, prompt in enumerate(prompts)
    ]


@pytest.fixture(scope="session")
def hostile(studio: Any) -> Path:
    """A folder of pictures whose prompts are hostile; the history knows them."""
    return studio.make("hostile", asked(HOSTILE))


def stranger(path: Path, prompt: str) -> None:
    """Write a small PNG with the prompt in the form of another program."""
    text = f"{prompt}\nSteps: 20, Sampler: Euler, Seed: 9".encode()
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)),
        (b"iTXt", b"parameters\0\0\0\0\0" + text),
        (b"IDAT", zlib.compress((b"\0" + b"\x80" * 24) * 8)),
        (b"IEND", b""),
    )
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        )
    )


def elements(page: Any) -> Any:
    """How many elements of each name there are, and every attribute that could do something."""
    return page.evaluate(
        """() => {
            const names = {}, doing = [];
            for (const one of document.querySelectorAll("*")) {
                names[one.localName] = (names[one.localName] ?? 0) + 1;
                for (const { name, value } of one.attributes) {
                    const address = /^(href|src|action|formaction|data)$/.test(name);
                    const runs = address && /^\\s*javascript:/i.test(value);
                    // The script itself gives the large picture its width.
                    const styled = name === "style" && one.id !== "large";
                    if (/^(on|srcdoc)/.test(name) || styled || runs) {
                        doing.push(`${name}=${value}`);
                    }
                }
            }
            return [names, doing];
        }"""
    )


def look_at_all(page: Any, count: int) -> list[str]:
    """Open the dialog and go through all pictures; return the prompts it showed."""
    page.locator("figure img").first.click()
    told = []
    for _ in range(count):
        told.append(page.locator("dialog #prompt").text_content())
        page.keyboard.press("ArrowRight")
    return told


def test_hostile_prompts_are_text_everywhere(visit: Any, studio: Any, hostile: Path) -> None:
    calm = studio.make("calm", asked(PLAIN))
    title = " ".join(" ".join(HOSTILE).split("\n\t"))
    studio("gallery", str(hostile), "--title", title)
    studio("gallery", str(calm), "--title", "calm")
    page, other = visit(hostile / "gallery.html"), visit(calm / "gallery.html")
    shown = page.locator("figure figcaption p:first-child").all_text_contents()
    assert sorted(shown) == sorted(HOSTILE)
    assert page.title().split() == title.split()
    assert page.locator("h1").text_content() == title
    for one in (page, other):
        assert sorted(look_at_all(one, len(HOSTILE))) == sorted(HOSTILE if one is page else PLAIN)
    for prompt in HOSTILE:
        page.keyboard.press("Escape")
        page.get_by_role("searchbox").fill(prompt)
        page.locator("figure:visible").first.wait_for()
    page.get_by_role("searchbox").fill("")
    names, doing = elements(page)
    assert doing == []
    assert names == elements(other)[0]
    assert page.evaluate("window.hit") is None


def test_hostile_names_and_metadata_are_text_too(visit: Any, studio: Any, tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    for number, prompt in enumerate(HOSTILE):
        stranger(folder / f"{number}.png", prompt + "\x1b[31m\x07\x00")
        (folder / f"{prompt.replace('/', '∕').strip()}.png").write_bytes(
            (folder / f"{number}.png").read_bytes()[:33]
            + (folder / f"{number}.png").read_bytes()[33:]
        )
    studio("gallery", str(folder))
    page = visit(folder / "gallery.html")
    assert elements(page)[1] == []
    look_at_all(page, 2 * len(HOSTILE))
    assert page.locator("script").count() == 1
    assert page.locator("figure").count() == 2 * len(HOSTILE)
    assert page.evaluate("window.hit") is None


def test_the_copied_command_asks_for_the_same_picture(
    visit: Any, studio: Any, hostile: Path, tmp_path: Path
) -> None:
    more = studio.make(
        "more",
        [
            *asked(("a fox", "雪 'n' \"snow\""), prompt_extend=True),
            {"prompt": "wide", "size": "768*512", "seed": 0},
        ],
    )
    env = {**screens.environment(tmp_path / "shell"), "ZIMAGE_REGION": "sandbox"}
    for folder in (hostile, more):
        sent = {
            line["prompt"]: line
            for line in map(json.loads, Path(f"{folder}.jsonl").read_text("utf-8").splitlines())
        }
        studio("gallery", str(folder))
        page = visit(folder / "gallery.html")
        for figure in page.locator("figure").all():
            prompt = figure.locator("figcaption p").first.text_content()
            figure.get_by_role("button", name="Copy command").click()
            page.wait_for_function(
                "async told => (await navigator.clipboard.readText()).startsWith(told)",
                arg="zimage generate ",
            )
            line = page.evaluate("navigator.clipboard.readText()")
            page.evaluate("navigator.clipboard.writeText('')")
            tried = line.replace("zimage generate ", "zimage generate --dry-run --json ", 1)
            done = subprocess.run(
                ["/bin/sh", "-c", tried],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                encoding="utf-8",
                timeout=60,
                check=True,
            )
            [request] = json.loads(done.stdout)["requests"]
            body = json.loads(request["body"])
            assert body["input"]["messages"][0]["content"] == [{"text": prompt}]
            asked_for = {"prompt_extend": False, **sent.pop(prompt)}
            del asked_for["prompt"]
            assert body["parameters"] == asked_for
            assert request["region"] == "sandbox"
        assert sent == {}
    assert {path.name for path in tmp_path.iterdir()} <= {"shell", "home", "work"}


def test_names_of_any_kind_and_a_folder_that_was_moved(
    visit: Any, studio: Any, tmp_path: Path
) -> None:
    folder = studio.make("moved", asked(tuple(f"kite {name}" for name in range(len(NAMES)))))
    deep = folder / "a sub#folder?"
    deep.mkdir()
    for number, (path, name) in enumerate(zip(sorted(folder.glob("*.png")), NAMES, strict=True)):
        path.rename((deep if number % 2 else folder) / name)
    studio("gallery", str(folder))
    there = tmp_path / "elsewhere 100% #1?" / "画"
    there.parent.mkdir()
    shutil.move(folder, there)
    page = visit(there / "gallery.html")
    assert all(image["width"] == 480 for image in to_images(page))
    page.locator("figure img").first.click()
    for _ in NAMES:
        page.wait_for_function(
            """() => {
                const { src, complete, naturalWidth } = document.querySelector("dialog img");
                const { href } = document.querySelector("dialog a");
                return src === href && complete && naturalWidth === 512;
            }"""
        )
        page.keyboard.press("ArrowRight")
    # The page, the thumbnails, and each picture once it was looked at.
    assert len(set(page.watch.fetched)) == 1 + 2 * len(NAMES)
    text = (there / "gallery.html").read_text("utf-8")
    assert str(studio.folder) not in text
    assert os.fspath(tmp_path) not in text


def test_one_file_alone_shows_everything(
    visit: Any, studio: Any, hostile: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone" / "page.html"
    alone.parent.mkdir()
    studio("gallery", str(hostile), "--embed", "-o", str(alone))
    assert [path.name for path in alone.parent.iterdir()] == ["page.html"]
    page = visit(alone)
    images = to_images(page)
    assert [image["width"] for image in images] == [480] * len(HOSTILE)
    page.locator("figure img").first.click()
    page.wait_for_function("() => document.querySelector('dialog img').naturalWidth === 480")
    page.keyboard.press("Escape")
    look_at_all(page, len(HOSTILE))
    assert page.watch.fetched == [alone.as_uri()]
