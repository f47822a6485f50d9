"""The styles of other tools: `styles.csv` of AUTOMATIC1111's web UI, read as presets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from unicodedata import normalize

from zimage_cli.core.batch.encoding import BLOCK, decoded, encoding_of
from zimage_cli.core.files import reason
from zimage_cli.core.request.presets import MAX_NAME, Preset, is_of_names, read_preset
from zimage_cli.errors import UsageError, ZimageError
from zimage_cli.messages import Message
from zimage_cli.text import clip, shown, visible

MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Styles:
    """What a file of styles holds: `presets` by name, and what became of the others.

    `renamed` are names that are none of a preset, with what they are called now; `twice` are names
    that stood there again, the last of which counts; `skipped` are rows that are no preset, each
    with its line and why. `negative` counts the negative prompts, which the model does not have.
    """

    presets: dict[str, Preset] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    skipped: list[tuple[int, Message]] = field(default_factory=list)
    negative: int = 0


def read_styles(path: str, encoding: str | None = None) -> Styles:
    """Return the styles of a CSV file with the columns name, prompt and perhaps negative_prompt.

    `encoding` is Python's name of one, or None to go by the mark at the beginning, else UTF-8.
    Raises UsageError.
    """
    shown_path = visible(clip(path, 200))
    text = _text(path, shown_path, encoding)
    rows = _rows(text, shown_path)
    line, header = next(rows, (0, []))
    names = [cell.strip().lower() for cell in header]
    # Its first versions called the prompt so.
    prompt = next((one for one in ("prompt", "text") if one in names), None)
    if prompt is None or "name" not in names:
        raise UsageError(
            "{path} is no table of styles: line {line} does not name the columns name and prompt",
            hint="Its first line is: name,prompt,negative_prompt",
            path=shown_path,
            line=line or 1,
        )
    found, negative = Styles(), 0
    for line, row in rows:
        cells = dict(zip(names, row, strict=False))
        negative += bool(cells.get("negative_prompt", "").strip())
        _add(found, line, cells.get("name", ""), cells.get(prompt, ""))
    return replace(found, negative=negative)


def _add(found: Styles, line: int, called: str, prompt: str) -> None:
    """Add a style, or say why it is none."""
    name = _name(called)
    if not name:
        found.skipped.append((line, Message("has no name")))
    elif not prompt.strip():
        found.skipped.append((line, Message("{name} has no prompt", name=shown(called))))
    else:
        try:
            preset = read_preset(name, {"prompt": prompt})
        except ZimageError as error:
            why = Message("{name}: {why}", name=shown(called), why=error.message)
            found.skipped.append((line, why))
            return
        if name in found.presets:
            found.twice.append(name)
        found.presets[name] = preset
        if name != called:
            found.renamed[called] = name


def _name(called: str) -> str:
    """Return a name as a preset may have it: `-` for what none may hold; empty where none is."""
    kept = "".join(
        char if is_of_names(char) else " " for char in normalize("NFC", called[: MAX_NAME * 4])
    )
    return "-".join(kept.split()).lstrip("-")[:MAX_NAME].rstrip("-")


def _text(path: str, name: str, encoding: str | None) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError("{path}: {why}", path=name, why=reason(error)) from None
    if len(data) > MAX_BYTES:
        raise UsageError(
            "{path}: is larger than {mebibytes} MiB", path=name, mebibytes=MAX_BYTES // 1024**2
        )
    known, mark = encoding_of(data[:BLOCK], encoding, name)
    return "".join(decoded(io.BytesIO(data[mark:]), known, name))


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every row that is not blank with the line it begins on. Raises UsageError."""
    # As the web UI reads it: blanks behind a comma do not count.
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UsageError(
                "{path}: line {line} is no row of a table: {why}",
                path=name,
                line=line,
                why=str(error),
            ) from None
        if row is None:
            return
        if "".join(row).strip():
            yield line, row
