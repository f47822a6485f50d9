"""zimage gallery: which pictures, what is said of them, and where the page goes."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.test_open import Viewer
from PIL import Image, PngImagePlugin

KEY = "sk-" + "0123456789abcdef" * 2


@pytest.fixture
def made(zimage: Any, unpaced: None) -> Callable[..., list[Path]]:
    """Make small pictures in the sandbox, and return their paths."""

    def make(prompt: str, *args: str) -> list[Path]:
        result = zimage("generate", prompt, "--sandbox", "--size", "512x512", *args)
        return [zimage.cwd / line for line in result.lines]

    return make


def cards(page: Path | str) -> list[dict[str, str]]:
    """What a page says of each of its pictures."""
    text = page if isinstance(page, str) else page.read_text(encoding="utf-8")
    found = []
    for figure in re.findall("<figure(.*?)</figure>", text, re.DOTALL):
        card = dict(re.findall(r'data-(\w+)="([^"]*)"', figure))
        card |= dict(zip(("picture",), re.findall(r'href="([^"]*)"', figure), strict=False))
        card["thumbnail"] = re.search('src="([^"]*)"', figure)[1]  # type: ignore[index]
        card["prompt"] = re.search("<p id=[^>]*>(.*?)</p>", figure, re.DOTALL)[1]  # type: ignore[index]
        found.append({name: html.unescape(value) for name, value in card.items()})
    return found


# -- of the history -------------------------------------------------------------------------------


def test_all_of_the_history_newest_first(zimage: Any, made: Any, work: Path) -> None:
    made("a fox", "--seed", "1", "-o", "one.png")
    made("a lake", "--seed", "2", "-o", "b/two.webp")
    result = zimage("gallery")
    assert result.lines == [str(work / "gallery.html")]
    assert result.stderr.endswith("2 pictures, 2 of the sandbox\n")
    two, one = cards(work / "gallery.html")
    assert one == {
        "name": "one.png",
        "picture": "one.png",
        "prompt": "a fox",
        "history": "1",
        "command": "zimage generate --sandbox --size 512x512 --seed 1 --no-prompt-extend "
        "-- 'a fox'",
        "thumbnail": one["thumbnail"],
    }
    assert (two["picture"], two["prompt"]) == ("b/two.webp", "a lake")
    assert {card["thumbnail"] for card in (one, two)} == {
        f"gallery_files/{path.name}" for path in (work / "gallery_files").iterdir()
    }


def test_words_and_filters_choose_as_in_the_history(zimage: Any, made: Any, work: Path) -> None:
    for seed, prompt in enumerate(("a fox", "a red fox at night", "a lake")):
        made(prompt, "--seed", str(seed))
    for args, prompts in (
        (("fox",), ["a red fox at night", "a fox"]),
        (("fox", "-night"), ["a fox"]),
        (("--seed", "2"), ["a lake"]),
        (("--limit", "1"), ["a lake"]),
        (("--", "-night"), None),
    ):
        result = zimage("gallery", *args, "-o", "page.html", status=(0, 2))
        found = None if result.status else [card["prompt"] for card in cards(work / "page.html")]
        assert found == prompts, args
    assert "None of the 3 in the history is a saved picture that matches." in result.stderr


def test_the_same_input_makes_the_same_bytes(zimage: Any, made: Any, work: Path) -> None:
    made("a fox", "-n", "3")
    zimage("gallery")
    page = (work / "gallery.html").read_bytes()
    thumbnails = {path: path.stat().st_mtime_ns for path in (work / "gallery_files").iterdir()}
    zimage("gallery")
    assert (work / "gallery.html").read_bytes() == page
    # They were not drawn again.
    there = (work / "gallery_files").iterdir()
    assert {path: path.stat().st_mtime_ns for path in there} == thumbnails


def test_what_is_gone_or_another_file_is_told(zimage: Any, made: Any, work: Path) -> None:
    [gone], [other], _ = made("gone"), made("other"), made("there")
    gone.unlink()
    Image.new("RGB", (9, 9)).save(other)
    result = zimage("gallery")
    assert [card["prompt"] for card in cards(work / "gallery.html")] == ["there"]
    assert f"skipped {gone}: no longer there" in result.stderr
    assert "1 picture, of the sandbox; 2 skipped: 1 another file now, 1 no longer there" in (
        result.stderr
    )
    document = zimage("gallery", "--json").json
    assert document["status"] == "ok"
    assert (document["pictures"], document["sandbox"]) == (1, 1)
    assert document["path"] == str(work / "gallery.html")
    assert document["skipped"] == [
        {"path": str(other), "reason": "another file now"},
        {"path": str(gone), "reason": "no longer there"},
    ]


def test_a_page_leads_to_no_file_that_a_browser_runs(zimage: Any, made: Any, work: Path) -> None:
    made("<script>alert(1)</script>", "-o", "page.html")
    made("there")
    result = zimage("gallery")
    assert [card["prompt"] for card in cards(work / "gallery.html")] == ["there"]
    assert f"skipped {work / 'page.html'}: not named as a picture\n" in result.stderr


def test_nothing_to_show_writes_no_page(zimage: Any, work: Path) -> None:
    result = zimage("gallery", status=2)
    assert "Nothing has been made yet." in result.stderr
    document = zimage("gallery", "--json", status=2).json
    assert document["status"] == "error"
    assert document["path"] is None
    assert (document["pictures"], document["skipped"]) == (0, [])
    assert [*work.iterdir()] == []


def test_no_key_and_no_path_of_this_machine_stand_in_the_page(
    zimage: Any, service: Any, work: Path
) -> None:
    service.generate(f"a fox {KEY}", "-o", "fox.png")
    result = zimage("gallery", env={**service.env})
    text = (work / "gallery.html").read_text(encoding="utf-8")
    assert KEY not in text
    assert "a text holds what looks like an API key: it is masked in the page" in result.stderr
    [row] = service.history()
    for secret in (str(work), row["request_id"], row["endpoint"], "127.0.0.1"):
        assert secret not in text


# -- of a folder ----------------------------------------------------------------------------------


def picture(path: Path, **texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_itxt(keyword, text)
    Image.new("RGB", (60, 40), (90, 120, 30)).save(path, "PNG", pnginfo=info)


def test_a_folder_of_strangers_pictures(zimage: Any, work: Path) -> None:
    folder = work / "photos"
    picture(folder / "holiday.png")
    picture(folder / "deep" / "er" / "b.png", parameters="a castle\nSteps: 20, Seed: 77, Size: 6x4")
    Image.new("CMYK", (60, 40)).save(folder / "c.jpg")
    Image.new("RGB", (60, 40)).save(folder / "d.webp")
    # None of these is a picture that is shown.
    picture(folder / ".hidden" / "e.png")
    picture(folder / ".f.png")
    (folder / "notes.txt").write_text("a")
    (folder / "no.png").write_bytes(b"<html>")
    (folder / "circle").symlink_to(folder)
    for number, path in enumerate(sorted(folder.rglob("*.*"))):
        os.utime(path, (1_800_000_000 - number,) * 2)
    result = zimage("gallery", "photos/")
    assert result.lines == [str(folder / "gallery.html")]
    found = {card["name"]: card for card in cards(folder / "gallery.html")}
    assert {*found} == {"holiday.png", "b.png", "c.jpg", "d.webp"}
    assert found["b.png"]["prompt"] == "a castle"
    assert found["b.png"]["picture"] == "deep/er/b.png"
    assert found["holiday.png"]["prompt"] == "holiday.png"
    assert "command" not in found["holiday.png"]
    assert "4 pictures; 1 skipped: 1 no picture in PNG, JPEG or WebP" in result.stderr


def test_a_picture_that_was_moved_says_itself_how_it_was_made(
    zimage: Any, made: Any, work: Path
) -> None:
    made("here", "-o", "a/here.png")
    [moved] = made("moved", "-o", "b.png")
    shutil.move(moved, work / "a" / "renamed.png")
    zimage("gallery", "a/")
    found = {card["name"]: card for card in cards(work / "a" / "gallery.html")}
    assert found["here.png"]["history"] == "1"
    assert "history" not in found["renamed.png"]
    assert found["renamed.png"]["prompt"] == "moved"
    assert "--sandbox" in found["renamed.png"]["command"]


def test_a_folder_needs_no_home_and_no_history(zimage: Any, work: Path) -> None:
    picture(work / "photos" / "a.png")
    zimage("gallery", "photos", env={"HOME": None, "USERPROFILE": None})
    (work / "home").mkdir()
    (work / "home" / "history.db").write_bytes(b"no database" * 99)
    result = zimage("gallery", "photos", env={"ZIMAGE_HOME": str(work / "home")})
    assert "What pictures say of themselves is shown." in result.stderr
    assert len(cards(work / "photos" / "gallery.html")) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("nowhere/",), "There is no folder nowhere/."),
        (("photos", "fox"), None),
        (("./photos", "fox"), "./photos is a folder, and the other words are looked for"),
        (("photos", "--seed", "0"), "photos is a folder, and --seed chooses from the history"),
        (("photos", "--limit", "0"), "--limit"),
        (("empty",), "holds no picture in PNG, JPEG or WebP"),
        (("photos", "-o", "-"), "-o - needs --embed"),
        (("photos", "-o", "-", "--embed", "--json"), "both write to the standard output"),
        (
            ("photos", "-o", "page.txt"),
            "page.txt does not end in .html.\n  next: Did you mean page.html?",
        ),
        (("photos", "--title", " "), "is not a line of text in UTF-8"),
        (("photos", "--title", "a\nb"), "is not a line of text in UTF-8"),
        (("photos", "--title", "\udce9"), "is not a line of text in UTF-8"),
        (("photos", "-o", ""), "--output is empty."),
        (("",), "A word to look for has 1 to 8,000 characters"),
        (("photos", "-o", "mine.html"), "exists, and zimage did not write it"),
        (("photos", "-o", "/proc/page.html"), "/proc/page.html cannot be written"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    zimage: Any, work: Path, args: tuple[str, ...], said: str | None
) -> None:
    picture(work / "photos" / "a.png")
    (work / "empty").mkdir()
    (work / "mine.html").write_text("mine")
    before = sorted(work.rglob("*"))
    result = zimage("gallery", *args, status=2)
    assert (said or "Nothing has been made yet.") in result.stderr
    assert sorted(work.rglob("*")) == before
    assert (work / "mine.html").read_text() == "mine"


def test_a_word_that_is_a_folders_name(zimage: Any, made: Any, work: Path) -> None:
    made("a fox")
    picture(work / "fox" / "a.png")
    result = zimage("gallery", "fox")
    assert "the folder fox; for the word in the history: '\"fox\"'" in result.stderr
    assert len(cards(work / "fox" / "gallery.html")) == 1
    picture(work / "a\x1b]0;b" / "a.png")
    assert "\x1b" not in zimage("gallery", "a\x1b]0;b").stderr
    zimage("gallery", '"fox"')
    assert [card["prompt"] for card in cards(work / "gallery.html")] == ["a fox"]


# -- the page's file ------------------------------------------------------------------------------


def test_our_page_is_written_anew_and_no_other_file(zimage: Any, work: Path) -> None:
    picture(work / "photos" / "a.png")
    zimage("gallery", "photos", "-o", "page.html")
    page = (work / "page.html").read_bytes()
    zimage("gallery", "photos", "-o", "page.html", "--title", "Other")
    assert (work / "page.html").read_bytes() != page
    assert b'<h1 dir="auto">Other</h1>' in (work / "page.html").read_bytes()
    (work / "mine.html").write_text("mine")
    zimage("gallery", "photos", "-o", "mine.html", "--overwrite")
    assert len(cards(work / "mine.html")) == 1


def test_thumbnails_that_the_page_no_longer_shows_are_removed(
    zimage: Any, made: Any, work: Path
) -> None:
    made("a fox")
    made("a private lake")
    zimage("gallery")
    assert len([*(work / "gallery_files").iterdir()]) == 2
    zimage("gallery", "fox")
    [card] = cards(work / "gallery.html")
    assert [f"gallery_files/{path.name}" for path in (work / "gallery_files").iterdir()] == [
        card["thumbnail"]
    ]
    zimage("gallery", "fox", "--embed")
    assert not (work / "gallery_files").exists()


def test_pictures_outside_the_pages_folder_are_told(zimage: Any, made: Any, work: Path) -> None:
    made("a fox", "-o", "a/fox.png")
    result = zimage("gallery", "-o", "pages/")
    assert "1 picture lies outside the page's folder" in result.stderr
    assert cards(work / "pages" / "gallery.html")[0]["picture"] == "../a/fox.png"


def test_embedded_pictures_are_all_that_the_page_needs(zimage: Any, made: Any, work: Path) -> None:
    made("a fox", "-n", "2")
    on_disk = sorted(work.iterdir())
    result = zimage("gallery", "--embed", "-o", "-")
    assert sorted(work.iterdir()) == on_disk
    one, two = cards(result.stdout)
    for card in (one, two):
        assert card["thumbnail"].startswith("data:image/webp;base64,")
        assert "picture" not in card
    zimage("gallery", "--embed", "-o", "page.html")
    assert (work / "page.html").read_text(encoding="utf-8") == result.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_standard_output_that_is_full_is_no_bug(zimage: Any, work: Path) -> None:
    picture(work / "photos" / "a.png")
    with Path("/dev/full").open("wb") as full:
        process = zimage.popen("gallery", "photos", "--embed", "-o", "-", stdout=full)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"The standard output cannot be written to: no space left on device." in told


def test_the_page_is_not_written_onto_a_terminal(terminal: Any, work: Path) -> None:
    picture(work / "photos" / "a.png")
    screen = terminal("gallery", "photos", "--embed", "-o", "-")
    assert screen.end() == 2
    assert "onto the terminal" in screen.text


def test_a_warning_is_broken_between_words(terminal: Any, work: Path) -> None:
    picture(work / "photos" / "a.png")
    screen = terminal("gallery", "photos/", "-o", "pages/", columns=80)
    assert screen.end() == 0
    assert screen.lines[-3:-1] == [
        "warning: 1 picture lies outside the page's folder: its path stands in the page,",
        "  and who gets the folder alone sees its thumbnail only",
    ]


def test_too_many_to_embed(zimage: Any, work: Path) -> None:
    (work / "many").mkdir()
    picture(work / "a.png")
    for number in range(501):
        (work / "many" / f"{number}.png").hardlink_to(work / "a.png")
    result = zimage("gallery", "many", "--embed", status=2)
    assert "501 pictures are too many for one file; --embed takes up to 500." in result.stderr
    zimage("gallery", "many", "--embed", "--limit", "500")
    assert len(cards(work / "many" / "gallery.html")) == 500


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(zimage: Any, work: Path) -> None:
    picture(work / "photos" / "a.png")
    (work / "photos").chmod(0o500)
    result = zimage("gallery", "photos", status=2)
    (work / "photos").chmod(0o700)
    assert "cannot be written" in result.stderr
    assert "zimage gallery -o FILE.html" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_leaves_the_page_of_before_and_no_drafts(zimage: Any, work: Path) -> None:
    folder = work / "many"
    picture(folder / "0.png")
    zimage("gallery", "many")
    page = (folder / "gallery.html").read_bytes()
    # Large enough to be interrupted among them.
    Image.effect_noise((3_000, 3_000), 40).save(folder / "0.png")
    for number in range(1, 60):
        (folder / f"{number}.png").hardlink_to(folder / "0.png")
    process = zimage.popen("gallery", "many")
    thumbnails = folder / "gallery_files"
    while len([*thumbnails.iterdir()]) < 4:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert b"no page was written" in told
    assert (folder / "gallery.html").read_bytes() == page
    assert not [path for path in thumbnails.iterdir() if path.suffix != ".webp"]
    # The next run takes up what was drawn.
    zimage("gallery", "many")
    assert len(cards(folder / "gallery.html")) == 60


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
@pytest.mark.parametrize(
    "prompt", ['it\'s "it" $HOME `x` \\', "-n", "-", "two\nlines\t!", "狐狸 %s"]
)
def test_the_command_asks_for_the_same(zimage: Any, made: Any, work: Path, prompt: str) -> None:
    given = ("--request", json.dumps({"prompt": prompt, "seed": 7, "prompt_extend": True}))
    zimage("generate", *given, "--sandbox", "--size", "512x512")
    zimage("gallery")
    [card] = cards(work / "gallery.html")
    words = card["command"].removeprefix("zimage ")
    line = (
        f"{shlex.join(zimage.command)} {words.replace('generate', 'generate --dry-run --json', 1)}"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env=zimage.environment(),
        cwd=work,
        capture_output=True,
        check=True,
        timeout=60,
    )
    [request] = json.loads(done.stdout)["requests"]
    body = json.loads(request["body"])
    assert body["input"]["messages"][0]["content"] == [{"text": prompt}]
    assert body["parameters"] == {"size": "512*512", "seed": 7, "prompt_extend": True}
    assert request["region"] == "sandbox"


def test_it_is_opened_in_the_browser(zimage: Any, work: Path, tmp_path: Path) -> None:
    picture(work / "photos" / "a.png")
    viewer = Viewer(tmp_path)
    zimage("gallery", "photos", "--open", env=viewer.env)
    # Nobody waits for it to end.
    assert viewer.opened(1) == [work / "photos" / "gallery.html"]
    # Without a desktop there is the page all the same.
    result = zimage("gallery", "photos", "--open", env={"DISPLAY": None})
    assert "No desktop can be reached from here" in result.stderr
