"""A page made from what was collected: addresses, thumbnails, HTML, and the file, in this order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from zimage_cli.core.gallery import thumbnails
from zimage_cli.core.gallery.card import Card
from zimage_cli.core.gallery.collect import Collection, Found, Skipped
from zimage_cli.core.gallery.page import page as html
from zimage_cli.core.gallery.thumbnails import NotDrawn, Shelf
from zimage_cli.core.gallery.write import Addresses, encoded, unwritable, write
from zimage_cli.errors import Stopped, UsageError
from zimage_cli.messages import Message, Translate, counted

MOST_EMBEDDED = 500


class Stage(StrEnum):
    """What a page that is being made waits for."""

    READING = "reading"
    DRAWING = "drawing"
    WRITING = "writing"


class Made(NamedTuple):
    """A page that was made.

    `path` is its file, or None where `html` holds it; `undrawn` are shown without a thumbnail,
    `outside` counts pictures that do not lie below the page's folder.
    """

    path: Path | None
    html: Sequence[bytes]
    cards: Sequence[Card]
    skipped: Sequence[Skipped]
    undrawn: Sequence[Skipped]
    outside: int
    masked: bool


class Making:
    """A page that is being made in one thread, while another shows how far it is, or cancels it.

    `total` is 0 where nobody knows it. The page is in English, or in what `translate` speaks.
    """

    def __init__(self, translate: Translate | None = None) -> None:
        self._translate = translate
        self.stage = Stage.READING
        self.done = 0
        self.total = 0
        self._cancelled = threading.Event()
        self._counting = threading.Lock()

    def cancel(self) -> None:
        """End it at the next picture: no page is written then."""
        self._cancelled.set()

    def step(self) -> None:
        """Count a file. Raises Stopped after `cancel`."""
        with self._counting:
            self.done += 1
        if self._cancelled.is_set():
            raise Stopped

    def make(
        self,
        collect: Callable[[Collection], None],
        page: Path | None,
        title: str,
        *,
        embed: bool,
        nothing: Callable[[Collection], UsageError],
    ) -> Made:
        """Write a page of what `collect` finds; with `page` None, only return it.

        `nothing` tells of a collection without pictures. Raises UsageError, Stopped.
        """
        collection = Collection(self.step)
        collect(collection)
        if not collection.found:
            raise nothing(collection)
        if embed and len(collection.found) > MOST_EMBEDDED:
            raise UsageError(
                "{count:,} pictures are too many for one file; --embed takes up to {most}.",
                hint="Choose some of them (words, --since), or the newest: --limit {most}. "
                "Without --embed the thumbnails stand beside the page.",
                field="embed",
                count=len(collection.found),
                most=MOST_EMBEDDED,
            )
        try:
            if page is None or embed:
                return self._embedded(collection, page, title)
            return self._linked(collection, page, title)
        except OSError as error:
            raise unwritable(page or Path(), error) from None

    def _embedded(self, collection: Collection, page: Path | None, title: str) -> Made:
        from base64 import b64encode

        drawn: dict[str, str] = {}

        def keep(one: Found, data: bytes) -> None:
            drawn[one.path] = f"data:image/webp;base64,{b64encode(data).decode()}"

        undrawn = self._draw(collection.found, keep)
        cards = [
            one.card._replace(picture=None, thumbnail=drawn[one.path])
            for one in collection.found
            if one.path in drawn
        ]
        skipped = [*collection.skipped, *undrawn]
        if not cards:
            raise UsageError("Of none of the pictures a thumbnail can be made.", field="embed")
        self.stage = Stage.WRITING
        text = html(title, cards, translate=self._translate)
        made = Made(page, (), cards, skipped, (), 0, collection.masked)
        if page is None:
            return made._replace(html=[*encoded(text)])
        write(page, self._checked(text))
        if thumbnails.folder_of(page).is_dir():
            with Shelf(page) as shelf:
                shelf.tidy(set())
        return made

    def _linked(self, collection: Collection, page: Path, title: str) -> Made:
        addresses = Addresses(page.parent)
        beside = addresses.of(str(thumbnails.folder_of(page) / "_"))[:-1]
        pictures = [addresses.of(one.path) for one in collection.found]
        names = [
            thumbnails.name_of(address, one.size, one.mtime_ns)
            for one, address in zip(collection.found, pictures, strict=True)
        ]
        named = {one.path: name for one, name in zip(collection.found, names, strict=True)}
        with Shelf(page) as shelf:
            new = [one for one in collection.found if not shelf.has(named[one.path])]
            undrawn = self._draw(new, lambda one, data: shelf.put(named[one.path], data))
            gone = {one.path for one in undrawn}
            cards = [
                one.card._replace(
                    picture=address,
                    thumbnail=address if one.path in gone else beside + named[one.path],
                )
                for one, address in zip(collection.found, pictures, strict=True)
            ]
            self.stage = Stage.WRITING
            text = html(title, cards, translate=self._translate)
            write(page, self._checked(text))
            shelf.tidy({*names})
        outside = sum(address.startswith("../") for address in pictures)
        return Made(page, (), cards, collection.skipped, undrawn, outside, collection.masked)

    def _draw(
        self, pictures: Sequence[Found], keep: Callable[[Found, bytes], None]
    ) -> list[Skipped]:
        """Draw thumbnails, and return the pictures of which none can be drawn."""
        self.stage, self.done, self.total = Stage.DRAWING, 0, len(pictures)
        undrawn: list[Skipped] = []

        def draw(one: Found) -> None:
            try:
                data = thumbnails.draw(one.path)
            except NotDrawn as error:
                undrawn.append(Skipped(one.path, error.why))
            else:
                keep(one, data)
            self.step()

        if pictures:
            thumbnails.load()
            thumbnails.in_two_threads(pictures, draw)
        # As they stand in the page: the threads end in any order.
        place = {one.path: at for at, one in enumerate(pictures)}
        return sorted(undrawn, key=lambda one: place[one.path])

    def _checked(self, text: Iterable[str]) -> Iterator[str]:
        """Yield the pieces of a page, unless it is cancelled meanwhile."""
        for part in text:
            if self._cancelled.is_set():
                raise Stopped
            yield part


def summary(made: Made) -> Message:
    """Return how many pictures a page has, and how many of them the sandbox made."""
    count, sandbox = len(made.cards), sum(card.sandbox for card in made.cards)
    if sandbox == 0:
        return counted(count, "{count:,} picture", "{count:,} pictures")
    return counted(
        count,
        "{count:,} picture, of the sandbox",
        "{count:,} pictures, {sandbox:,} of the sandbox",
        sandbox=sandbox,
    )
