"""From the lines of a batch file to pictures to be made, each with a name of its own for ever.

A picture is known by its content: the normalized request, how its file is to be named, and which of
several equal ones it is. So lines may be added, removed and re-ordered between runs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from zimage_cli.api.characters import is_safe
from zimage_cli.api.errors import UsageError, ZimageError
from zimage_cli.core.expand import count_text, sweep, sweep_count
from zimage_cli.core.files import make_folder, reason
from zimage_cli.core.names import NAME_BYTES, NameTemplate, is_reserved
from zimage_cli.core.request import Request, parse_request
from zimage_cli.core.request import seeds as following
from zimage_cli.core.text import shown

if TYPE_CHECKING:
    from zimage_cli.core.batch.records import Record

MAX_COUNT = 10_000
MAX_VARIANTS = 1_000_000
"""Pictures that one line may stand for, `count` included: more is a slip, and CNY 100,000."""

_DEEPEST = 8
"""Folders below the output folder, and the file: more than that is a slip."""

_OWN_FIELDS = frozenset({"name", "output", "count"})


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a batch; `request.seed` None is drawn later, or left to the service."""

    line: int
    number: int
    key: bytes
    request: Request
    template: NameTemplate
    output: str | None

    @property
    def job(self) -> str:
        """The key as the ledger and the journal write it."""
        return self.key.hex()


@dataclass(frozen=True, slots=True)
class Invalid:
    """A line that is no request: every problem, in a sentence each."""

    line: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for lines that do not say.

    `fields` are request fields. `sizes` and `seeds` multiply every line; with `expand`, so do the
    alternatives in its prompt. `shard` is (i, n) with 1 <= i <= n. `folder` is where the pictures
    go. `check_base_url` raises UsageError for a line's base URL that is not asked; None refuses all
    of them.
    """

    fields: Mapping[str, object]
    template: NameTemplate
    count: int = 1
    expand: bool = False
    sizes: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    shard: tuple[int, int] = (1, 1)
    folder: Path | None = None
    check_base_url: Callable[[str], None] | None = None


@dataclass
class Planner:
    """Plans one pass over a file; a fresh one for each pass."""

    defaults: Defaults
    _seen: dict[bytes, int] = field(default_factory=dict)
    _templates: dict[str, NameTemplate] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)
    """Folders of an `output` that were looked at, and are right."""
    _number: int = 0

    def plan(self, records: Iterable[Record]) -> Iterator[Item | Invalid]:
        """Yield the pictures of this shard in order, and every line that cannot be used."""
        for record in records:
            if record.fields is None:
                yield Invalid(record.line, (str(record.problem or "cannot be read"),))
                continue
            try:
                yield from self._items(record.line, dict(record.fields))
            except ZimageError as error:
                problems = [problem.message for problem in getattr(error, "problems", ())]
                yield Invalid(record.line, tuple(problems or [error.message]))

    def _items(self, line: int, fields: dict[str, object]) -> Iterator[Item]:
        own = {name: fields.pop(name) for name in _OWN_FIELDS & fields.keys()}
        check_base_url = self.defaults.check_base_url
        if "base_url" in fields and check_base_url is None:
            raise UsageError(
                "base_url: a file does not decide where the key is sent; "
                "--trust-base-url allows it",
                field="base_url",
            )
        template = self._template(own.get("name"))
        output = self._output(own.get("output"))
        count = _count(own.get("count", self.defaults.count))
        request = parse_request(fields, defaults=self.defaults.fields)
        if request.base_url is not None and check_base_url is not None:
            check_base_url(request.base_url)
        whole = self.defaults
        for one in variants(
            request, whole.sizes, whole.seeds, count, alternatives=whole.expand, most=MAX_VARIANTS
        ):
            yield from self._item(line, one, template, output)

    def _item(
        self, line: int, request: Request, template: NameTemplate, output: str | None
    ) -> Iterator[Item]:
        self._number += 1
        content = "\x1f".join(
            map(
                str,
                (
                    request.prompt,
                    request.size,
                    request.seed,
                    request.prompt_extend,
                    request.base_url,
                    template.text,
                    output,
                ),
            )
        ).encode("utf-8", "surrogatepass")
        digest = blake2b(content, digest_size=16).digest()
        twin = self._seen.get(digest, 0)
        self._seen[digest] = twin + 1
        key = blake2b(digest + twin.to_bytes(8, "big"), digest_size=16).digest()
        shard, shards = self.defaults.shard
        if int.from_bytes(key[:8], "big") % shards == shard - 1:
            yield Item(line, self._number, key, request, template, output)

    def _template(self, name: object) -> NameTemplate:
        if name is None:
            return self.defaults.template
        if not isinstance(name, str):
            raise UsageError("name: {value} is not text", field="name", value=shown(name))
        if name not in self._templates:
            if len(self._templates) > 1000:
                self._templates.clear()
            self._templates[name] = NameTemplate.parse(name)
        return self._templates[name]

    def _output(self, value: object) -> str | None:
        output, folder = _output(value), self.defaults.folder
        if output is None or folder is None or "/" not in output:
            return output
        parent = output.rpartition("/")[0]
        if parent not in self._folders:
            within(folder, output)
            if len(self._folders) > 1000:
                self._folders.clear()
            self._folders.add(parent)
        return output


def variants(
    request: Request,
    sizes: Sequence[str],
    seeds: Sequence[int],
    count: int,
    *,
    alternatives: bool,
    most: int,
    hint: str | None = None,
) -> Iterator[Request]:
    """Yield the requests that one stands for, each `count` times, in a fixed order.

    Raises UsageError, before the first, where they are more than `most`, and RequestInvalid for one
    that is no request.
    """
    total = count * sweep_count(request.prompt, sizes, seeds, expand=alternatives)
    if total > most:
        prompts = sweep_count(request.prompt, expand=alternatives)
        factors = {"prompts": prompts, "sizes": len(sizes), "seeds": len(seeds), "of each": count}
        words = [f"{count_text(number)} {name}" for name, number in factors.items() if number > 1]
        raise UsageError(
            "{total} pictures are too many: {factors}; allowed: {allowed:,}",
            hint=hint,
            total=count_text(total),
            factors=" × ".join(words),
            allowed=most,
        )
    for variant in sweep(request.prompt, sizes, seeds, expand=alternatives):
        one = request
        if alternatives or sizes or seeds:
            fields = {**request.fields(), "prompt": variant.prompt}
            if variant.size is not None:
                fields["size"] = variant.size
            if variant.seed is not None:
                fields["seed"] = variant.seed
            one = parse_request(fields)
        yield from _with_count(one, count)


def _with_count(request: Request, count: int) -> Iterator[Request]:
    if request.seed is None:
        yield from (request,) * count
    else:
        for seed in following(request.seed, count):
            yield replace(request, seed=seed)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_COUNT:
        raise UsageError(
            "count: {value} is not allowed; allowed: {allowed}",
            field="count",
            value=shown(value),
            allowed=f"1 … {MAX_COUNT}",
        )
    return value


def within(folder: Path, output: str, *, make: bool = False) -> Path:
    """Return the path of a line's `output` in the folder; `make` makes what leads to it.

    Raises UsageError where a link leads out of the folder, or a file is in the way.
    """
    path = folder / output
    parent = path.parent
    if parent == folder:
        return path
    try:
        there = _nearest(parent, folder)
        # Below it is nothing yet, and so no link: it alone decides where the path leads.
        if not Path(os.path.realpath(there)).is_relative_to(os.path.realpath(folder)):
            raise UsageError(
                "output: {path} is a link that leads out of the output folder",
                field="output",
                value=output,
                path=parent,
            )
        if make:
            make_folder(parent)
    except (OSError, ValueError) as error:
        raise UsageError(
            "output: {path} cannot be a folder: {why}",
            field="output",
            value=output,
            path=parent,
            why=reason(error),
        ) from None
    return path


def _nearest(path: Path, top: Path) -> Path:
    """Return the nearest folder that exists, of a path and those above it up to `top`.

    Raises UsageError for a file in the way, and OSError for a link that leads nowhere: how
    `resolve` and `is_file` take a loop of links differs from one Python to the next.
    """
    while path != top:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            if path.is_symlink():
                raise
            path = path.parent
            continue
        if not stat.S_ISDIR(mode):
            raise UsageError(
                "output: {path} is a file, and so no folder for others", field="output", path=path
            )
        break
    return path


def _output(value: object) -> str | None:
    """Return a line's `output`: a path within the output folder. Raises UsageError."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise UsageError("output: {value} is not a file name", field="output", value=shown(value))
    if not all(map(is_safe, value)):
        raise UsageError(
            "output: {value} holds characters that no file name should",
            field="output",
            value=shown(value),
        )
    windows, posix = PureWindowsPath(value), PurePosixPath(value)
    bad = (
        windows.drive
        or windows.root
        or posix.is_absolute()
        or ".." in windows.parts
        or any(part.startswith(".") or part != part.strip() for part in windows.parts)
        or any(part.endswith(".") or is_reserved(part) for part in windows.parts)
        or any(len(part.encode()) > NAME_BYTES for part in windows.parts)
        or len(windows.parts) > _DEEPEST
        or any(char in '<>:"|?*' for char in value)
    )
    if bad:
        raise UsageError(
            "output: {value} is not a plain path within the output folder",
            field="output",
            value=shown(value),
        )
    if posix.suffix.lower() != ".png":
        raise UsageError(
            "output: {value} does not end in .png, and the service makes PNG",
            field="output",
            value=shown(value),
        )
    return "/".join(windows.parts)
