"""No hint advises what cannot help, or what is paid twice without saying so."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import zimage_cli
from zimage_cli import errors
from zimage_cli.api.codes import CODES, error_for
from zimage_cli.core.advice import TABLE, hint_for
from zimage_cli.errors import Billed, ZimageError

PACKAGE = Path(zimage_cli.__file__).parent

REPEATS = re.compile(r"\b(again|another try|once more|make it|in a minute)\b", re.IGNORECASE)
"""Words of a hint that has somebody ask for the picture a second time."""

OF_MONEY = re.compile(r"\b(pay|paid|billed|costs nothing|not made again)\b")

FREE = {
    "Try again: zimage config edit",
    # A merge sends nothing.
    "Make room, then run the same command again: it goes on.",
    # Of a picture of the sandbox.
    "To make it again: zimage generate --like {number} --sandbox",
}
"""What costs nothing, though the error may be of a picture."""


def repeats_unawares(hint: str) -> bool:
    """Tell whether a hint advises to do a thing again, and does not say what that costs."""
    return bool(REPEATS.search(hint)) and not OF_MONEY.search(hint)


@cache
def classes() -> list[type[ZimageError]]:
    """Return every class of errors in the package but those that are made of other errors."""
    for path in PACKAGE.rglob("*.py"):
        if "Error)" in path.read_text("utf-8") and not path.name.startswith("__"):
            importlib.import_module(
                ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            )

    def below(cls: type[ZimageError]) -> Iterator[type[ZimageError]]:
        for one in cls.__subclasses__():
            yield from (one, *below(one))

    return [one for one in dict.fromkeys(below(ZimageError)) if one is not errors.RequestInvalid]


@pytest.mark.parametrize("cls", classes())
@pytest.mark.parametrize("billed", Billed)
def test_what_may_be_billed_is_not_simply_done_again(
    cls: type[ZimageError], billed: Billed
) -> None:
    named: dict[str, Any] = {"nearest": "1*1"} if cls.__name__ == "SizeError" else {}
    hint = hint_for(cls("x", billed=billed, **named))
    if billed is not Billed.NO and cls not in {errors.ThrottledError, errors.RefusedError}:
        assert not repeats_unawares(hint or "")
    if issubclass(cls, errors.ServiceError | errors.AnswerLost):
        assert hint is not None
        assert ("pay for another try" in hint) is (billed is not Billed.NO or cls.billed != "no")


def test_the_rule_knows_what_it_looks_for() -> None:
    assert repeats_unawares("Try again in a minute.")
    assert repeats_unawares("Run the same command again.")
    assert not repeats_unawares("Run the command again to pay for another try.")
    assert not repeats_unawares("Within 24 hours of making it: zimage history recover")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", *(b'{"code": "%s"}' % code.encode() for code in CODES)]
)
@pytest.mark.parametrize("status", [200, 204, 301, 400, 403, 404, 418, 429, 500, 502, 503, 599])
def test_whatever_the_service_answers(status: int, body: bytes) -> None:
    for headers in ({}, {"retry-after": "3600"}):
        error = error_for(status, body, headers)
        hint = hint_for(error) or ""
        if error.maybe_billed:
            assert not repeats_unawares(hint)
        # Only what is refused by chance may pass a second time.
        assert "--seed" not in hint or isinstance(error, errors.RefusedError)
        assert "history recover" not in hint


# -- what stands in the source --------------------------------------------------------------------


def hints() -> Iterator[tuple[str, str, str]]:
    """Yield every `hint=` of the package: the place, what is called with it, and its text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        texts = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            for word in call.keywords:
                if word.arg == "hint":
                    place = f"{path.relative_to(PACKAGE)}:{call.lineno}"
                    yield from ((place, name, text) for text in texts_in(word.value, texts))


def texts_in(node: ast.expr, texts: dict[str, ast.expr]) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
        elif isinstance(one, ast.Name) and one.id in texts:
            yield from texts_in(texts[one.id], {})


def may_be_billed(name: str) -> bool:
    """Tell whether what is called by a name may be, or change, an error that is billed."""
    cls = {one.__name__: one for one in classes()}.get(name)
    return name == "but" if cls is None else cls.billed is not Billed.NO


def test_every_hint_in_the_source_says_what_a_repetition_costs() -> None:
    found = list(hints())
    billed = [one for one in found if may_be_billed(one[1])]
    assert len(found) > 80
    assert len(billed) > 8
    wrong = {text: place for place, _, text in billed if repeats_unawares(text)}
    assert wrong.keys() - FREE == set()


def test_recovery_is_advised_for_what_can_be_recovered() -> None:
    advised = {place: name for place, name, text in hints() if "history recover" in text}
    kinds = {one.__name__ for one in classes() if issubclass(one, errors.NotSavedError)}
    assert set(advised.values()) <= {*kinds, "UsageError", "but", "Message"}
    with_it = {cls for cls, row in TABLE.items() if "history recover" in (row.hint or "")}
    assert with_it == {errors.NotSavedError}
    assert "history recover" not in (hint_for(errors.AddressRefused("x")) or "")
