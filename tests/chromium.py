"""Chromium without a window, and what a page in it complains of and asks for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MINUTE = 60_000
"""In milliseconds: a limit that only serves against hanging."""
HOST = "gallery.test"
"""127.0.0.1 by a name that a browser does not trust as it trusts 127.0.0.1."""


@contextmanager
def chromium(home: str) -> Iterator[Any]:
    """Start it; no name but HOST leads anywhere."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=MINUTE)
    arguments = [f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND"]
    if os.name == "posix" and os.geteuid() == 0:
        # Chromium's own sandbox does not start as root.
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=arguments,
            env={"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8"},
            timeout=MINUTE,
        )
        yield browser
        browser.close()


class Watch:
    """What the pages of a context complained of, and asked for."""

    def __init__(self, context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.expected = "\0"
        context.on("console", lambda said: self.complaints.append(f"console: {said.text}"))
        context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("requestfailed", self._failed)
        context.on("dialog", self._asked)

    def _failed(self, request: Any) -> None:
        self.complaints.append(f"request: {request.url}: {request.failure}")

    def _asked(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    @property
    def unexpected(self) -> list[str]:
        """The complaints that the test does not expect."""
        return [told for told in self.complaints if self.expected not in told]

    @property
    def fetched(self) -> list[str]:
        """The addresses that are not in the page itself."""
        return [url for url in self.requests if not url.startswith("data:")]


def to_images(page: Any) -> list[dict[str, Any]]:
    """Bring every thumbnail into sight and return what became of it: its address and width.

    Waits until each has been loaded, or could not be.
    """
    return page.evaluate(
        """async () => {
            const images = [...document.querySelectorAll("figure img")];
            for (const image of images) {
                image.scrollIntoView();
                image.loading = "eager";
                if (!image.complete) {
                    await new Promise((done) => {
                        image.addEventListener("load", done);
                        image.addEventListener("error", done);
                    });
                }
            }
            return images.map((image) => ({ src: image.src, width: image.naturalWidth }));
        }"""
    )
