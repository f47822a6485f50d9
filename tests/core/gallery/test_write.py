"""Where the page goes, and how it points to pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest

from zimage_cli.core.gallery.write import Addresses, target, write
from zimage_cli.errors import UsageError

OURS = '<html><meta name="generator" content="zimage 0.1.0">'


@pytest.mark.parametrize(
    "name",
    [
        "a b.png",
        "a#b?c%20.png",
        "狐狸.png",
        "javascript:x.png",
        "a\\b.png",
        '"><img>.png',
        "\udcff",
    ],
)
def test_an_address_leads_to_its_file_whatever_the_name(work: Path, name: str) -> None:
    address = Addresses(work).of(str(work / name / name))
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
    assert address.isascii()
    segments = [os.fsdecode(unquote_to_bytes(part)) for part in parts.path.split("/")]
    assert segments == [name, name]


def test_a_file_that_is_not_below_the_page_is_reached_upwards(work: Path) -> None:
    (work / "real" / "in").mkdir(parents=True)
    (work / "link").symlink_to(work / "real" / "in")
    addresses = Addresses(work / "real" / "page")
    assert addresses.of(str(work / "real" / "a.png")) == "../a.png"
    # A browser does not know where a link leads.
    assert addresses.of(str(work / "link" / "a.png")) == "../in/a.png"
    assert addresses.of(str(work / "real" / "page2" / "a.png")) == "../page2/a.png"


def test_where_the_page_goes(work: Path) -> None:
    (work / "real").mkdir()
    (work / "link").symlink_to("real")

    def to(output: str | None) -> Path:
        return target(output, work / "link", overwrite=False)

    assert to(None) == work / "real" / "gallery.html"
    assert to("link") == to("link/") == to("real/gallery.html") == work / "real" / "gallery.html"
    assert to("new/") == work / "new" / "gallery.html"
    assert to("A.HTML") == work / "A.HTML"
    with pytest.raises(UsageError) as caught:
        to("page.htm")
    assert caught.value.hint == "Did you mean page.html?"


def test_only_a_page_of_ours_is_replaced(work: Path) -> None:
    write(work / "page.html", [OURS, "1"])
    assert target("page.html", work, overwrite=False) == work / "page.html"
    (work / "page.html").write_text("mine")
    with pytest.raises(UsageError, match="exists, and zimage did not write it"):
        target("page.html", work, overwrite=False)
    assert target("page.html", work, overwrite=True) == work / "page.html"
    (work / "folder.html" / "gallery.html").mkdir(parents=True)
    with pytest.raises(UsageError, match="is a folder"):
        target("folder.html", work, overwrite=True)


def test_half_a_page_is_none(work: Path) -> None:
    write(work / "page.html", ["whole"])

    def pieces() -> Iterator[str]:
        yield "half" * 100_000
        raise KeyError

    with pytest.raises(KeyError):
        write(work / "page.html", pieces())
    assert {path.name: path.read_text() for path in work.iterdir()} == {"page.html": "whole"}


@pytest.mark.skipif(os.name == "nt", reason="no umask")
def test_others_may_read_it_as_any_new_file(work: Path) -> None:
    before = os.umask(0o022)
    try:
        write(work / "page.html", ["a"])
    finally:
        os.umask(before)
    assert (work / "page.html").stat().st_mode & 0o777 == 0o644
