"""What a tool answers: the same JSON twice, as data and as text, and links to files; 4 kB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zimage_cli.text import clip, json_text, redact

if TYPE_CHECKING:
    from mcp_types import CallToolResult, ResourceLink

MOST_BYTES = 3900
"""A whole answer: hosts show all of it to the model, which pays for every word. With what the SDK
adds it is under 4,096."""

_PROMPTS = frozenset({"prompt", "rewritten_prompt"})
"""What may be cut to nothing, because the file and the history have it whole."""
_WORDS = frozenset({"message", "hint", "notes", "warnings"})
"""What may be cut, because its beginning says enough."""
_LENGTHS = (1000, 400, 200)
_SHORT = ((100, 200), (50, 200), (20, 200), (1, 200), (1, 100), (1, 50), (1, 20), (1, 1))
"""Characters of prompts and of words."""
_MANY = 4
"""Errors: where there are more, fewer that can be read say more than all of them cut short."""

_TWICE = frozenset({"size", "cost"})
"""What a picture says that follows from the rest."""
_SMALL = frozenset({"width", "height"})
_NEEDED = frozenset({"path", "seed", "history_id"})

_CUT = "texts that end in … are cut"

MIME_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}


def result(
    document: dict[str, Any], files: Iterable[Path] = (), *, is_error: bool = False
) -> CallToolResult:
    """Return a document as a tool's answer, with a link to each file; at most 4 kB in all.

    What looks like a key is masked, whoever wrote it; a path stays what it is. What is left out
    where it would be larger stands at `_smaller`: never a path, and `notes` says what was cut.
    """
    for version, links in _smaller(_masked(document), [_link(path) for path in files]):
        made = _made(version, links, is_error=is_error)
        if _size(made) <= MOST_BYTES:
            break
    return made


def fitting(documents: Iterable[dict[str, Any]]) -> CallToolResult:
    """Return the first of these documents, each smaller than the one before, that has the room.

    The last one is cut as `result` does.
    """
    made = None
    for document in documents:
        made = _made(document, [], is_error=False)
        if _size(made) <= MOST_BYTES:
            return made
    assert made is not None
    return result(document)


def _smaller(
    document: dict[str, Any], links: list[ResourceLink]
) -> Iterator[tuple[dict[str, Any], list[ResourceLink]]]:
    """Yield an answer whole, and ever less of it."""
    yield document, links
    document = _kept(document, lambda name: name not in _TWICE)
    yield document, links
    for length in _LENGTHS:
        yield _cut(document, length, length), links
    for fewer in _fewer(document, _MANY):
        document = fewer
        yield _cut(document, _LENGTHS[-1], _LENGTHS[-1]), links
    for prompts, words in _SHORT:
        cut = _cut(document, prompts, words)
        yield cut, links
    for fewer in _fewer(cut, 1):
        cut = fewer
        yield cut, links
    cut = _kept(cut, lambda name: name not in _SMALL)
    yield cut, links
    yield cut, []
    yield _kept(cut, lambda name: name in _NEEDED), []


def _fewer(document: dict[str, Any], most: int) -> Iterator[dict[str, Any]]:
    """Yield a document with ever fewer of its errors, down to so many; the others are counted."""
    errors, more = document.get("errors", []), document.get("more_errors", 0)
    count = len(errors)
    while count > most:
        count = max(most, count * 2 // 3)
        yield {**document, "errors": errors[:count], "more_errors": more + len(errors) - count}


def _kept(document: dict[str, Any], wanted: Callable[[str], bool]) -> dict[str, Any]:
    """Return a document whose pictures say less."""
    if "pictures" not in document or not isinstance(document["pictures"], list):
        return document
    pictures = [
        {name: value for name, value in one.items() if wanted(name)} for one in document["pictures"]
    ]
    return {**document, "pictures": pictures}


def _made(document: dict[str, Any], links: list[ResourceLink], *, is_error: bool) -> CallToolResult:
    from mcp_types import CallToolResult, TextContent

    document = _sendable(document)
    return CallToolResult(
        content=[TextContent(text=json_text(document, compact=True)), *links],
        structured_content=document,
        is_error=is_error,
    )


def _sendable(value: Any) -> Any:
    """Return a document without what no JSON on a wire holds: halves of letters, as in paths."""
    if isinstance(value, dict):
        return {_sendable(key): _sendable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_sendable(inner) for inner in value]
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _size(made: CallToolResult) -> int:
    return len(made.model_dump_json(by_alias=True, exclude_none=True).encode())


def _cut(document: dict[str, Any], prompts: int, words: int) -> dict[str, Any]:
    """Return a document with its long texts cut, which it says then."""
    lengths = {**dict.fromkeys(_PROMPTS, prompts), **dict.fromkeys(_WORDS, words)}

    def cut(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: cut(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [cut(inner, name) for inner in value]
        return clip(value, lengths[name]) if isinstance(value, str) and name in lengths else value

    made: dict[str, Any] = cut(document)
    return made if made == document else {**made, "notes": [*made.get("notes", ()), _CUT]}


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, name) for inner in value]
    return redact(value) if isinstance(value, str) and name != "path" else value


def _link(path: Path) -> ResourceLink:
    from mcp_types import ResourceLink

    return ResourceLink(
        name=_sendable(path.name),
        uri=path.absolute().as_uri(),
        mime_type=MIME_TYPES.get(path.suffix.lower(), "application/octet-stream"),
        size=path.stat().st_size if path.exists() else None,
    )
