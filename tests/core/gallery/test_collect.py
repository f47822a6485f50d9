"""What is found in a folder, and what of it is believed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from zimage_cli.core.gallery.card import Card
from zimage_cli.core.gallery.collect import Collection
from zimage_cli.core.history.history import History
from zimage_cli.core.recipe.finish import finish
from zimage_cli.core.recipe.recipe import Recipe
from zimage_cli.core.request.wish import Wish
from zimage_cli.core.status import Status

KEY = "sk-" + "0123456789abcdef" * 2
RECIPE = Recipe(
    "a lake",
    size="1024*1024",
    seed=7,
    model="z-image-turbo",
    region="singapore",
    time="2026-11-23T08:00:00+02:00",
    version="0.1.0",
)


def save(path: Path, recipe: Recipe | None = None, **options: Any) -> int:
    """Save a picture, with a recipe or without; return its length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if recipe is None:
        Image.new("RGB", (60, 40)).save(path, **options)
    else:
        served = io.BytesIO()
        Image.new("RGB", (60, 40)).save(served, "PNG")
        with path.open("w+b") as file:
            finish(served, file, Wish(), recipe)
    return path.stat().st_size


def collected(folder: Path, book: History | None = None, limit: int | None = None) -> Collection:
    collection = Collection()
    collection.of_folder(folder, book, limit)
    return collection


def cards(folder: Path, book: History | None = None, limit: int | None = None) -> list[Card]:
    return [one.card for one in collected(folder, book, limit).found]


@pytest.fixture
def row(tmp_path: Path) -> Iterator[Callable[..., History]]:
    """Write a saved picture into a history."""
    book = History(tmp_path / "data" / "history.db")

    def add(path: Path, length: int | None, **columns: Any) -> History:
        facts: dict[str, Any] = {
            "status": Status.SAVED,
            "prompt": "a fox",
            "size": "1024*1024",
            "seed": 3,
            "prompt_extend": False,
            "region": "singapore",
            "endpoint": "https://dashscope-intl.aliyuncs.com",
            "cost_amount": "0.015",
            "cost_currency": "USD",
            "width": 1024,
            "height": 1024,
            "path": str(path),
            "bytes": length,
        }
        book.begin(**{**facts, **columns})
        return book

    yield add
    book.close()


def test_the_row_is_believed_where_the_size_fits(row: Any, work: Path) -> None:
    length = save(work / "a.png", RECIPE)
    book = row(work / "a.png", length)
    [card] = cards(work, book)
    assert (card.prompt, card.seed, card.cost, card.history_id) == ("a fox", 3, "USD 0.015", 1)
    assert (card.width, card.height) == (1024, 1024)
    assert card.command == (
        "zimage generate --size 1024x1024 --seed 3 --no-prompt-extend -- 'a fox'"
    )
    # Overwritten by the same name: the newest row of this size.
    row(work / "a.png", length, prompt="a wolf")
    row(work / "a.png", length + 1, prompt="not this")
    assert [card.prompt for card in cards(work, book)] == ["a wolf"]


def test_the_file_is_believed_where_it_is_another_one(row: Any, work: Path) -> None:
    length = save(work / "a.png", RECIPE)
    book = row(work / "a.png", length + 1)
    [card] = cards(work, book)
    assert card == Card(
        "a.png",
        "",
        "",
        60,
        40,
        prompt="a lake",
        seed=7,
        made="2026-11-23T06:00:00Z",
        command="zimage generate --size 1024x1024 --seed 7 --no-prompt-extend -- 'a lake'",
    )


def test_rows_of_a_folder_that_a_link_leads_to_are_found(row: Any, work: Path) -> None:
    length = save(work / "real" / "狐#1.png")
    (work / "link").symlink_to(work / "real")
    # As it is noted where the working folder is a link, and where it is not.
    book = row(work / "link" / "狐#1.png", length)
    assert [card.history_id for card in cards(work / "link", book)] == [1]
    row(work / "real" / "狐#1.png", length)
    assert [card.history_id for card in cards(work / "link", book)] == [2]


def test_a_name_that_is_no_text_has_its_row(row: Any, work: Path) -> None:
    path = work / os.fsdecode(b"fox-\xff.png")
    try:
        length = save(path)
    except OSError:
        pytest.skip("the file system takes text only")
    assert [card.history_id for card in cards(work, row(path, length))] == [1]


def test_rows_of_other_folders_are_none_of_this(row: Any, work: Path) -> None:
    length = save(work / "a" / "x.png")
    book = row(work / "a0" / "x.png", length)
    row(work / "x.png", length)
    assert [card.history_id for card in cards(work / "a", book)] == [None]


def test_a_key_is_masked_in_all_texts(row: Any, work: Path) -> None:
    length = save(work / "a.png")
    book = row(work / "a.png", length, prompt=f"key {KEY}", rewritten_prompt=f"a {KEY}")
    save(work / "b.png", RECIPE._replace(prompt=f"key {KEY}"))
    found = collected(work, book)
    assert found.masked
    assert KEY not in repr(found.found)
    assert "sk-…cdef" in str(found.found[0].card.command)


def test_what_is_shown_turned_has_its_sides_exchanged(work: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "b.png", "c.webp"):
        save(work / name, exif=exif)
    exif[0x0112] = 3
    save(work / "d.jpg", exif=exif)
    found = {card.name: (card.width, card.height) for card in cards(work)}
    assert found == {"a.jpg": (40, 60), "b.png": (40, 60), "c.webp": (40, 60), "d.jpg": (60, 40)}


def test_the_newest_come_first_then_by_name(work: Path) -> None:
    for name, time in (("c.png", 50), ("b.png", 70), ("a.png", 50)):
        save(work / name)
        os.utime(work / name, (time, time))
    assert [card.name for card in cards(work)] == ["b.png", "a.png", "c.png"]
    assert [card.name for card in cards(work, limit=2)] == ["b.png", "a.png"]
    assert cards(work)[0].made == "1970-01-01T00:01:10Z"


def test_links_lead_neither_round_nor_upwards(work: Path) -> None:
    save(work / "outside.png")
    save(work / "in" / "zz" / "a.png")
    save(work / "elsewhere" / "b.png")
    for name, target in (("round", "in"), ("up", "."), ("same", "in/zz"), ("other", "elsewhere")):
        (work / "in" / name).symlink_to(work / target)
    (work / "in" / "gone.png").symlink_to(work / "nothing")
    found = collected(work / "in")
    there = {one.path for one in found.found}
    # What stands in the folder itself is found there, and not through a link.
    assert there == {str(work / "in" / "zz" / "a.png"), str(work / "in" / "other" / "b.png")}
    assert [one.path for one in found.skipped] == [str(work / "in" / "gone.png")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_not_waited_for(work: Path) -> None:
    os.mkfifo(work / "a.png")
    assert [str(one.why) for one in collected(work).skipped] == ["no regular file"]


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root to become another user"
)
def test_a_folder_that_only_others_reach_is_an_error_and_no_bug(work: Path) -> None:
    folder = work / "shut" / "b" / "in"
    folder.mkdir(parents=True)
    (work / "shut").chmod(0o700)
    program = (
        "from zimage_cli.core.gallery.collect import Collection\n"
        "from zimage_cli.errors import UsageError\n"
        "import os, pathlib\n"
        "os.setuid(54321)\n"
        "try:\n    Collection().of_folder(pathlib.Path(), None)\n"
        "except UsageError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"The folder {folder} cannot be read: permission denied.\n"
