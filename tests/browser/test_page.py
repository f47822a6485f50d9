"""The page in a browser: looking closely, searching, sorting, copying, printing, in any setting."""

from __future__ import annotations

import functools
import http.server
import io
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from chromium import HOST, to_images
from PIL import Image

from zimage_cli.core.gallery.card import Card
from zimage_cli.core.gallery.page import page

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SHAPES = ((480, 320), (320, 480), (480, 480))


def card(number: int, **facts: Any) -> Card:
    width, height = SHAPES[number % len(SHAPES)]
    told = {
        "prompt": f"kite {number}",
        "seed": number,
        "made": f"2026-11-23T09:30:{59 - number % 60:02}Z",
        "command": f"zimage generate --seed {number} -- 'kite {number}'",
    }
    return Card(
        **{
            "name": f"{number}.webp",
            "picture": f"{number}.webp",
            "thumbnail": f"gallery_files/{number}.webp",
            "width": 2 * width,
            "height": 2 * height,
            **told,
            **facts,
        }
    )


CARDS = (
    card(0, prompt="A red kite over the sea", cost="USD 0.015", history_id=12),
    card(1, prompt="雪夜里的狐狸", sandbox=True),
    card(2, prompt="A fox in the snow", rewritten_prompt="A fox, in golden light", seed=500),
    card(3, prompt=None, seed=None, command=None, name="holiday.webp", picture="3.webp"),
    card(4, prompt="Ａ ＦＯＸ at night\nand its cubs"),
)


def write(folder: Path, cards: Sequence[Card]) -> Path:
    """Write a page of these cards, and a picture and a thumbnail for each of CARDS."""
    (folder / "gallery_files").mkdir()
    for number in range(len(CARDS)):
        width, height = SHAPES[number % len(SHAPES)]
        picture = Image.new("RGB", (width, height), (40 * number, 90, 160))
        picture.save(folder / "gallery_files" / f"{number}.webp")
        picture.resize((2 * width, 2 * height)).save(folder / f"{number}.webp")
    file = folder / "gallery.html"
    file.write_text("".join(page("Kites & foxes", cards)), encoding="utf-8", newline="")
    return file


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("page"), CARDS)


def prompts(page: Any) -> list[str]:
    """The first line of every card that is shown, in the order in which they stand."""
    return page.locator("figure:visible figcaption p:first-child").all_text_contents()


def wait_for_focus(page: Any, number: int) -> None:
    """Wait until the focus is on that of the cards that are shown, counted from 0."""
    page.wait_for_function(
        """number => {
            const figures = [...document.querySelectorAll("figure")].filter((one) => !one.hidden);
            return figures[number].contains(document.activeElement);
        }""",
        arg=number,
    )


def test_the_keyboard_alone_leads_through_all_pictures(visit: Any, file: Path) -> None:
    page = visit(file)
    for _ in range(3):
        page.keyboard.press("Tab")
    wait_for_focus(page, 0)
    page.keyboard.press("Enter")
    dialog, prompt = page.get_by_role("dialog"), page.locator("dialog #prompt")
    api.expect(dialog).to_be_visible()
    api.expect(prompt).to_have_text("A red kite over the sea")
    for key, told in (
        ("ArrowRight", CARDS[1].prompt),
        ("ArrowRight", CARDS[2].prompt),
        ("ArrowLeft", CARDS[1].prompt),
        ("Home", CARDS[0].prompt),
        ("End", CARDS[4].prompt),
    ):
        page.keyboard.press(key)
        api.expect(prompt).to_have_text(told, use_inner_text=False)
    page.keyboard.press("Escape")
    api.expect(dialog).to_be_hidden()
    wait_for_focus(page, 4)


def test_the_dialog_has_all_facts_and_the_large_picture(visit: Any, file: Path) -> None:
    page = visit(file)
    dialog = page.get_by_role("dialog")
    page.locator("figure img").nth(2).click()
    large = dialog.locator("img")
    page.wait_for_function("() => document.querySelector('dialog img').naturalWidth === 960")
    api.expect(large).to_be_visible()
    for told in ("A fox in the snow", "A fox, in golden light", "960×960", "500", "2.webp"):
        api.expect(dialog.get_by_text(told, exact=False).first).to_be_visible()
    page.keyboard.press("Home")
    for told in ("USD 0.015", "12"):
        api.expect(dialog.get_by_text(told).first).to_be_visible()
    api.expect(dialog.get_by_text("A fox, in golden light")).to_be_hidden()


def test_the_search_finds_while_it_is_typed(visit: Any, file: Path) -> None:
    page = visit(file)
    count = page.get_by_role("status").first
    api.expect(count).to_have_text("5 pictures")
    page.keyboard.press("/")
    api.expect(page.get_by_role("searchbox")).to_be_focused()
    for typed, found in (
        ("fox", [CARDS[2].prompt, CARDS[4].prompt]),
        ("FOX sn", [CARDS[2].prompt]),
        ("狐狸", [CARDS[1].prompt]),
        ("golden", [CARDS[2].prompt]),
        ("holiday", ["holiday.webp"]),
        ("500", [CARDS[2].prompt]),
        ("fox kite", []),
    ):
        page.keyboard.press("Control+A")
        page.keyboard.type(typed)
        api.expect(page.locator("figure:visible")).to_have_count(len(found))
        assert prompts(page) == found
    api.expect(page.get_by_text("No picture matches the search.")).to_be_visible()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    api.expect(page.locator("figure:visible")).to_have_count(5)


def test_the_arrows_follow_what_is_found_and_how_it_is_sorted(visit: Any, file: Path) -> None:
    page = visit(file)
    page.get_by_role("combobox").select_option("oldest")
    assert prompts(page) == [one.prompt or one.name for one in reversed(CARDS)]
    page.get_by_role("combobox").select_option("seed")
    assert prompts(page)[:3] == [CARDS[0].prompt, CARDS[1].prompt, CARDS[4].prompt]
    page.get_by_role("searchbox").fill("fox")
    api.expect(page.locator("figure:visible")).to_have_count(2)
    assert prompts(page) == [CARDS[4].prompt, CARDS[2].prompt]
    page.locator("figure:visible img").first.click()
    prompt = page.locator("dialog #prompt")
    api.expect(prompt).to_have_text(str(CARDS[4].prompt))
    page.keyboard.press("ArrowRight")
    api.expect(prompt).to_have_text(str(CARDS[2].prompt))
    page.keyboard.press("Escape")
    wait_for_focus(page, 1)


@pytest.fixture
def served(file: Path) -> Iterator[str]:
    """The page's address at a server that a browser has no reason to trust."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}/{file.name}"
        server.shutdown()
        thread.join()


def copied(page: Any, where: Any, name: str) -> str:
    """Press the button of that name and return what the clipboard holds then."""
    page.evaluate("navigator.clipboard.writeText('nothing')")
    button = where.locator(f"button[name={name}]")
    button.click()
    api.expect(button).to_have_text("Copied")
    return page.evaluate("navigator.clipboard.readText()")


def test_prompt_and_command_are_copied_as_they_are(visit: Any, file: Path) -> None:
    page = visit(file)
    last, dialog = page.locator("figure").nth(4), page.get_by_role("dialog")
    assert copied(page, last, "prompt") == CARDS[4].prompt
    assert copied(page, last, "command") == CARDS[4].command
    page.locator("figure img").nth(1).click()
    assert copied(page, dialog, "prompt") == CARDS[1].prompt
    assert copied(page, dialog, "command") == CARDS[1].command
    api.expect(dialog.locator("button[name=command]")).to_have_text("Copied")
    page.keyboard.press("ArrowRight")
    # That was the one before.
    assert dialog.locator("button[name=command]").text_content() == "Copy command"
    page.keyboard.press("ArrowRight")
    api.expect(page.locator("#prompt")).to_have_text("holiday.webp")
    for where in (dialog, page.locator("figure").nth(3)):
        api.expect(where.locator("button[name=prompt]:visible")).to_have_count(0)
        api.expect(where.locator("button[name=command]:visible")).to_have_count(0)


def test_it_also_copies_where_the_browser_has_no_clipboard_for_it(visit: Any, served: str) -> None:
    page = visit(served)
    assert page.evaluate("isSecureContext") is False
    search, dialog = page.get_by_role("searchbox"), page.get_by_role("dialog")

    def pasted() -> str:
        search.focus()
        page.keyboard.press("Control+V")
        # The browser reads the clipboard in a process of its own.
        api.expect(search).not_to_have_value("")
        text = search.input_value()
        search.fill("")
        return text

    card = page.locator("figure").nth(2).locator("button[name=command]")
    card.click()
    api.expect(card).to_have_text("Copied")
    assert pasted() == CARDS[2].command
    page.locator("figure img").nth(1).click()
    dialog.locator("button[name=command]").click()
    api.expect(dialog.locator("button[name=command]")).to_have_text("Copied")
    page.keyboard.press("Escape")
    api.expect(dialog).not_to_be_visible()
    assert pasted() == CARDS[1].command


def test_focus_that_went_elsewhere_meanwhile_is_not_taken_back(visit: Any, file: Path) -> None:
    page = visit(file)
    page.locator("figure img").nth(1).click()
    page.get_by_role("dialog").press("ArrowRight")
    found = page.evaluate(
        """() => new Promise((done) => {
          const viewer = document.getElementById("viewer");
          viewer.addEventListener("close", () => done(document.activeElement.id));
          viewer.close();
          document.getElementById("search").focus();
        })"""
    )
    assert found == "search"


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"locale": "zh-CN", "color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 800}},
    ],
    ids=["light", "dark", "Chinese", "narrow"],
)
def test_axe_finds_nothing_serious(visit: Any, file: Path, options: dict[str, Any]) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is missing"
    ).Axe()
    page = visit(file, bypass_csp=True, **options)

    def found() -> list[str]:
        return [
            f"{one['id']}: {node['html']}: {node['failureSummary']}"
            for one in axe.run(page).response["violations"]
            for node in one["nodes"]
            if one["impact"] in {"serious", "critical"}
        ]

    assert found() == []
    page.locator("figure img").nth(2).click()
    api.expect(page.get_by_role("dialog")).to_be_visible()
    assert found() == []


def test_ten_thousand_pictures_need_few_requests(visit: Any, tmp_path: Path) -> None:
    file = write(tmp_path, [card(number) for number in range(10_000)])
    for number in range(len(CARDS), 10_000):
        thumbnails = file.parent / "gallery_files"
        os.link(thumbnails / "0.webp", thumbnails / f"{number}.webp")
    began = time.perf_counter()
    page = visit(file)
    print(f"loaded after {time.perf_counter() - began:.2f} s")
    # What is in sight is asked for when it is drawn: a busy machine draws late.
    page.wait_for_function(
        """() => [...document.querySelectorAll("figure img")].slice(0, 10).every(
            (image) => image.naturalWidth
        )"""
    )
    assert 10 < len(page.watch.fetched) < 60
    # One from far below is fetched when it is looked for, and those between are not.
    page.get_by_role("searchbox").fill("kite 9876")
    api.expect(page.locator("figure:visible")).to_have_count(1)
    page.wait_for_function(
        "() => document.querySelector('figure:not([hidden]) img').naturalWidth > 0"
    )
    assert len(page.watch.fetched) < 100


def test_it_speaks_the_browsers_language(visit: Any, file: Path) -> None:
    page = visit(file, locale="zh-CN", timezone_id="Asia/Shanghai")
    assert page.locator("html").get_attribute("lang") in {"zh-Hans", "zh-CN"}
    api.expect(page.get_by_role("button", name="复制提示词").first).to_be_visible()
    api.expect(page.get_by_role("button", name="复制命令").first).to_be_visible()
    api.expect(page.locator("h1")).to_have_text("Kites & foxes")
    page.locator("figure img").first.click()
    # In the reader's zone: 09:30 UTC.
    api.expect(page.get_by_role("dialog").get_by_text("17:30")).to_be_visible()
    english = visit(file, locale="fr-FR")
    assert english.locator("html").get_attribute("lang") == "en"
    api.expect(english.get_by_role("button", name="Copy prompt").first).to_be_visible()


def test_it_is_as_light_or_dark_as_the_system(visit: Any, file: Path) -> None:
    def paper(scheme: str) -> list[int]:
        page = visit(file, color_scheme=scheme)
        page.mouse.move(0, 0)
        shot = page.screenshot(clip={"x": 0, "y": 0, "width": 4, "height": 4})
        with Image.open(io.BytesIO(shot)) as corner:
            return list(corner.convert("L").tobytes())

    assert min(paper("light")) > 200
    assert max(paper("dark")) < 60


def test_all_pictures_are_printed(visit: Any, tmp_path: Path) -> None:
    file = write(tmp_path, [card(number) for number in range(60)])
    for number in range(len(CARDS), 60):
        colour = (4 * number, 200, 90)
        Image.new("RGB", (480, 480), colour).save(tmp_path / "gallery_files" / f"{number}.webp")
    page = visit(file)
    # What a browser does before it prints; one without a window does not wait for the pictures.
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(
        "() => [...document.querySelectorAll('figure img')].every((image) => image.naturalWidth)"
    )
    assert page.pdf().count(b"/Subtype /Image") >= 60
    page.emulate_media(media="print")
    api.expect(page.locator("figure:visible")).to_have_count(60)
    for control in ("button", "searchbox", "combobox"):
        assert page.get_by_role(control).count() == 0


def test_it_works_without_a_script(visit: Any, file: Path) -> None:
    page = visit(file, java_script_enabled=False)
    api.expect(page.locator("figure:visible")).to_have_count(5)
    assert prompts(page) == [one.prompt or one.name for one in CARDS]
    api.expect(page.get_by_role("link")).to_have_count(5)
    for control in ("button", "searchbox", "combobox"):
        assert page.get_by_role(control).count() == 0
    assert {image["width"] for image in to_images(page)} == {480, 320}


def test_a_picture_that_is_gone_is_shown_by_its_thumbnail(visit: Any, tmp_path: Path) -> None:
    page = visit(write(tmp_path, CARDS))
    page.watch.expected = "ERR_FILE_NOT_FOUND"
    (tmp_path / "1.webp").unlink()
    page.locator("figure img").nth(1).click()
    api.expect(page.get_by_text("The picture's file cannot be read here")).to_be_visible()
    page.wait_for_function("() => document.querySelector('dialog img').naturalWidth === 320")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('dialog img').naturalWidth === 960")
    api.expect(page.get_by_text("The picture's file cannot be read here")).to_be_hidden()


def test_what_is_said_of_a_picture_that_is_all_gone_is_true(visit: Any, tmp_path: Path) -> None:
    file = write(tmp_path, CARDS)
    (tmp_path / "1.webp").unlink()
    (tmp_path / "gallery_files" / "1.webp").unlink()
    page = visit(file)
    page.watch.expected = "ERR_FILE_NOT_FOUND"
    page.locator(".look").nth(1).click()
    api.expect(page.locator("#gone")).to_have_text("The picture cannot be shown.")
    api.expect(page.get_by_role("dialog").get_by_role("img")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    api.expect(page.locator("#gone")).to_be_hidden()
    api.expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()


def test_in_the_dialog_the_focus_is_never_lost(visit: Any, file: Path) -> None:
    page = visit(file)
    focused = page.locator("dialog :focus")
    page.locator("figure img").nth(0).click()
    page.locator("dialog button[name=zoom]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('dialog img').naturalWidth === 640")
    api.expect(focused).to_have_attribute("name", "zoom")
    page.locator("dialog button[name=command]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    api.expect(page.locator("#prompt")).to_have_text("holiday.webp")
    api.expect(focused).to_have_id("panel")
    # With Caps Lock too.
    page.keyboard.press("Z")
    api.expect(page.locator("dialog.zoomed #stage")).to_be_focused()
