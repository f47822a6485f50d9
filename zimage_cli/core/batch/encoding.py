"""The encoding of a batch file: what its first bytes say, what was named, what it fits best."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import BinaryIO

from zimage_cli.errors import UsageError
from zimage_cli.messages import Message
from zimage_cli.text import shown

UTF8 = "utf-8"
BLOCK = 256 * 1024
"""Bytes read at once; an even number, so that it cuts through no character of UTF-16."""

_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    # Before UTF-16, with whose mark this one begins.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_LIKELY = (UTF8, *_WIDE, "gb18030", "big5", "shift_jis")
_FITS = 0.8
"""The share of common characters from which on a file is taken to be text of an encoding."""
_LOOKED_AT = 2000
"""Characters beyond ASCII that this share is of."""
_SURELY = 6
"""So many accents, or a third of so many Han characters, are never good UTF-8 by chance."""
_WESTERN_MARKS = frozenset("‘’“”–—…€«»°·¿¡")


def encoding_of(head: bytes, given: str | None, file: str) -> tuple[str, int]:
    """Return the encoding of a file that begins with `head`, and how many bytes its mark has.

    It is what the mark says, else what was `given`, else UTF-8. Raises UsageError where there is no
    such encoding, or the bytes say clearly that it is another.
    """
    mark, marked = next(((m, name) for m, name in _MARKS if head.startswith(m)), (b"", None))
    if given is None:
        # English text in UTF-16 is good UTF-8, with zeros in it.
        if marked is None and b"\0" in head[:4096] and _likely(head, UTF8) in _WIDE:
            raise _unreadable(file, UTF8, head, 0, (1, 1))
        return marked or UTF8, len(mark)
    name = _known(given).removesuffix("-sig")
    if marked is not None:
        # The mark tells which of the two that are called utf-16 it is.
        if not marked.startswith(name):
            raise _contradiction(file, marked, given)
        return marked, len(mark)
    if name in {"utf-16", "utf-32"}:
        name = max(_WIDE, key=lambda kind: (kind.startswith(name), _fit(head, kind)))
    if name != UTF8 and _is_utf8(head, wide=name in _WIDE):
        raise _contradiction(file, UTF8, given)
    return name, 0


def decoded(file: BinaryIO, encoding: str, name: str) -> Iterator[str]:
    """Yield the text of a file in pieces.

    Raises UsageError where it is not in this encoding, and names the one that it seems to be in.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    block, place = file.read(BLOCK), (1, 1)
    while block:
        following = file.read(BLOCK)
        try:
            text = decoder.decode(block, not following)
        except UnicodeError as error:
            # Its object begins with what was left of a character of the block before.
            sample, good = block, 0
            if isinstance(error, UnicodeDecodeError):
                sample, good = error.object, error.start
            raise _unreadable(name, encoding, sample, good, place) from None
        yield text
        block, place = following, _after(place, text)


def _after(place: tuple[int, int], text: str) -> tuple[int, int]:
    """Return line and character behind a text that begins at a place."""
    line, character = place
    end = text.rfind("\n")
    return line + text.count("\n"), len(text) - end if end >= 0 else character + len(text)


def _known(given: str) -> str:
    """Return Python's name of an encoding of text. Raises UsageError."""
    try:
        "".encode(given)
        codecs.getincrementaldecoder(given)()
        return codecs.lookup(given).name
    except (LookupError, ValueError):
        raise UsageError(
            "--encoding: {value} is no encoding that Python knows; allowed: {allowed}",
            field="encoding",
            value=shown(given),
            allowed=Message("utf-8, gb18030, gbk, big5, utf-16, shift_jis, cp1252 and many more"),
        ) from None


def _is_utf8(head: bytes, *, wide: bool) -> bool:
    """Tell whether a file is UTF-8 for sure, whatever was said of it."""
    try:
        text = codecs.getincrementaldecoder(UTF8)().decode(head)
    except UnicodeError:
        return False
    if wide:
        # Han in UTF-16 may be ASCII by chance, but hardly without control characters.
        return not any(char < " " and char not in "\t\r\n" for char in text)
    return sum(1 if char < "\u0800" else 3 for char in text if char > "\x7f") >= _SURELY


def _contradiction(file: str, found: str, given: str) -> UsageError:
    return UsageError(
        "{file} is text in {found}, and --encoding says {given}. Nothing was sent.",
        hint="Leave --encoding out, or say: --encoding {found}",
        file=file,
        found=found,
        field="encoding",
        given=(value := shown(given)),
        value=value,
    )


def _unreadable(
    file: str, encoding: str, sample: bytes, good: int, place: tuple[int, int]
) -> UsageError:
    """Return the error for a file that is not what it was taken for.

    `sample` are the bytes from `place` on, of which the first `good` ones could be read.
    """
    likely = _likely(sample, encoding)
    # Bytes of UTF-16 that could be read as something else say nothing of lines.
    read = "" if likely in _WIDE else sample[:good].decode(encoding, "replace")
    line, character = _after(place, read)
    hint, text = "Save it as UTF-8, or name its encoding, such as: --encoding gb18030", ""
    if encoding != UTF8:
        hint = "Mend that line, or name another encoding."
    if likely is not None:
        hint = "In {likely} that line is {text}. If that is right: --encoding {likely}"
        text = codecs.getincrementaldecoder(likely)("replace").decode(sample)
        text = "".join(text.split("\n")[line - place[0] :][:1]).strip()
    return UsageError(
        "{file} is not text in {encoding}: line {line}, character {character}. Nothing was sent.",
        hint=hint,
        file=file,
        encoding="UTF-8" if encoding == UTF8 else encoding,
        line=line,
        character=character,
        likely=likely,
        text=shown(text),
    )


def _likely(sample: bytes, failed: str) -> str | None:
    """Return the encoding that bytes fit best, but the one that failed; None where none fits."""
    fits = {name: _fit(sample, name) for name in _LIKELY if name != failed}
    best = max(fits, key=lambda name: fits[name])
    if fits[best] >= _FITS:
        return best
    with suppress(UnicodeError):
        text = sample.decode("cp1252")
        other = [char for char in text if char > "\x7f"]
        letters = sum(char.isalpha() for char in text)
        good = all(char.isalpha() or char in _WESTERN_MARKS for char in other)
        # Accents are few: what has more of them is text in another alphabet.
        if good and other and len(other) * 3 < letters and failed != "cp1252":
            return "cp1252"
    return None


def _fit(sample: bytes, encoding: str) -> float:
    """Return the share of a text's characters beyond ASCII that are common ones; 0 for no text."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeError:
        return 0.0
    beyond = (char for char in text if not (" " <= char <= "~" or char in "\t\r\n"))
    found = list(islice(beyond, _LOOKED_AT))
    if encoding == UTF8 or not found:
        return float(bool(text))
    return sum(map(_is_common, found)) / len(found)


def _is_common(char: str) -> bool:
    """Tell whether a character is in daily use in Chinese or Japanese.

    Both old standards list such characters first: GB 2312 up to row 0xD7, Big5 up to row 0xC6.
    """
    for standard, last in (("gb2312", 0xD7), ("big5", 0xC6)):
        with suppress(UnicodeError):
            if char > "\x9f" and char.encode(standard)[0] <= last:
                return True
    return False
