"""The page that somebody makes who reads Chinese, in a browser that speaks English."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from zimage_cli.core.gallery.card import Card
from zimage_cli.core.gallery.page import page as html
from zimage_cli.core.request.prices import format_price, list_price
from zimage_cli.locale import catalogue

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NOT_WORDS = {"Enter", "Esc", "webp", "US"}
"""Keys, the ending of a file's name, and a currency."""

ATTRIBUTES = """() => [...document.querySelectorAll("*")].flatMap((one) =>
    ["aria-label", "placeholder", "title", "alt"].map((name) => one.getAttribute(name) ?? ""))"""

# What is cut off or reaches beyond its element, or the page beyond the window.
TOO_WIDE = """() => {
    const tags = "button, dt, dd, h1, h2, h3, p, span, data, time, a";
    const texts = [...document.querySelectorAll(tags)];
    const wide = [document.documentElement, ...texts].filter((one) =>
        one.checkVisibility() && getComputedStyle(one).display !== "inline" &&
        one.scrollWidth > one.clientWidth + 1);
    return wide.map((one) => `${one.outerHTML}: ${one.scrollWidth} > ${one.clientWidth}`);
}"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chinese")
    told: dict[str, Any] = {"prompt": "雪地里的狐狸，晨雾弥漫，远处的群山若隐若现", "command": "z"}
    several: list[dict[str, Any]] = [
        {"cost": format_price(list_price("singapore", prompt_extend=False)), "history_id": 12},
        {"sandbox": True},
        {"rewritten_prompt": "清晨，一只狐狸站在雪地里。" * 9},
        {"picture": "gone.webp"},
    ]
    cards = []
    for number, facts in enumerate(several):
        name = f"{number}.webp"
        Image.new("RGB", (480, 320), (60 * number, 90, 160)).save(folder / name)
        made = {"seed": 1_000 + number, "made": f"2026-11-23T09:30:0{number}Z"}
        named = {"name": name, "picture": name, "thumbnail": name}
        cards.append(Card(**{**named, "width": 480, "height": 320, **made, **told, **facts}))
    file = folder / "gallery.html"
    text = "".join(html("雪夜", cards, translate=catalogue("zh")))
    file.write_text(text, encoding="utf-8", newline="")
    return file


def words(page: Any) -> list[str]:
    """English words that somebody sees or hears."""
    said = "\n".join([page.locator("body").inner_text(), *page.evaluate(ATTRIBUTES)])
    return [word for word in re.findall("[A-Za-z]{2,}", said) if word not in NOT_WORDS]


def test_it_says_nothing_in_english(visit: Any, file: Path) -> None:
    page = visit(file)
    page.watch.expected = "ERR_FILE_NOT_FOUND"
    dialog, count = page.get_by_role("dialog"), page.locator("#count")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    api.expect(count).to_have_text("4 张图片")
    api.expect(page.locator("figure time").first).to_have_text("2026年11月23日")
    assert words(page) == []
    page.get_by_role("searchbox").fill("1002")
    api.expect(count).to_have_text("显示 1 张，共 4 张图片")
    page.get_by_role("searchbox").fill("没有")
    api.expect(page.get_by_text("没有符合条件的图片。")).to_be_visible()
    assert words(page) == []
    page.get_by_role("searchbox").fill("")
    page.locator("figure button[name=prompt]").first.click()
    api.expect(page.get_by_role("button", name="已复制")).to_be_visible()
    page.locator("figure img").first.click()
    api.expect(dialog.get_by_role("heading", name="第 1 张，共 4 张")).to_be_visible()
    api.expect(dialog.get_by_text("美元 US$0.015")).to_be_visible()
    api.expect(dialog.get_by_text("2026年11月23日")).to_be_visible()
    assert words(page) == ["UTC"]
    page.keyboard.press("End")
    api.expect(dialog.get_by_text("这里无法读取图片文件，显示的是缩略图。")).to_be_visible()
    assert words(page) == ["UTC"]


def test_without_a_script_it_is_in_chinese_too(visit: Any, file: Path) -> None:
    page = visit(file, java_script_enabled=False)
    api.expect(page.locator("#count")).to_have_text("4 张图片")
    api.expect(page.locator("figure b")).to_have_text("沙箱")


def test_axe_finds_nothing_and_all_fits_at_twice_the_size(visit: Any, file: Path) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is missing"
    ).Axe()
    # A window of 1280 pixels at 200 %; then only the letters are twice as large.
    page = visit(file, bypass_csp=True, viewport={"width": 640, "height": 400})

    def check() -> None:
        for size in ("100%", "200%"):
            page.evaluate("size => document.documentElement.style.fontSize = size", size)
            assert page.evaluate(TOO_WIDE) == []
            assert axe.run(page).response["violations"] == []

    check()
    page.locator("figure img").nth(2).click()
    api.expect(page.get_by_role("dialog")).to_be_visible()
    check()
