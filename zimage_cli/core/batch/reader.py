"""From the lines of a batch file to pictures to be made, each with a key that never changes.

The key follows from the content: the normalized request, how its file is to be named, and which of
several equal ones it is. So lines may be added, removed and re-ordered between runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from zimage_cli.core.batch.records import COLUMNS, OWN_FIELDS, nearest_column
from zimage_cli.core.making.save import within
from zimage_cli.core.request.fields import MAX_SEED
from zimage_cli.core.request.jobs import Job, variants
from zimage_cli.core.request.names import NAME_BYTES, NameTemplate, is_reserved
from zimage_cli.core.request.request import Request, parse_request
from zimage_cli.core.request.sweep import MAX_COUNT, ONE, Sweep
from zimage_cli.core.request.wish import format_of
from zimage_cli.errors import UsageError, ZimageError
from zimage_cli.messages import Listing, Message
from zimage_cli.text import is_safe, shown

if TYPE_CHECKING:
    from zimage_cli.core.batch.records import Record
    from zimage_cli.core.request.presets import Preset

_DEEPEST = 8
"""Folders below the output folder, and the file: more than that is a slip."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """A line that is no request: every problem, in a sentence each."""

    line: int
    problems: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class LineDefaults:
    """What holds for lines that do not say.

    `fields` are request fields, `outright` those that the command line gives: they win over what a
    preset says. `presets` are those that there are, `preset` names what is put around the prompts
    of lines that name none. `sweep` multiplies every line. `shard` is (i, n) with 1 <= i <= n:
    pictures of a line that share a drawn seed are in one.
    `folder` is where the pictures go. `check_base_url` raises UsageError for a line's base URL that
    is not asked; None refuses all of them. `salt` is what seeds are drawn with: the same line of
    the same batch gets the same one in every run. `suffix` is for a `name` that says no format.
    """

    fields: Mapping[str, object]
    template: NameTemplate
    sweep: Sweep = ONE
    shard: tuple[int, int] = (1, 1)
    folder: Path | None = None
    check_base_url: Callable[[str], None] | None = None
    salt: bytes = b""
    suffix: str = ".png"
    outright: Mapping[str, object] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    preset: Sequence[str] = ()


@dataclass
class JobReader:
    """Reads the jobs of one pass over a file; each pass needs a reader of its own."""

    defaults: LineDefaults
    _seen: dict[bytes, int] = field(default_factory=dict)
    _templates: dict[str, NameTemplate] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)
    """Folders of an `output` that were checked."""
    _number: int = 0

    def plan(self, records: Iterable[Record]) -> Iterator[Job | Invalid]:
        """Yield the pictures of this shard in order, and every line that cannot be used."""
        for record in records:
            if record.fields is None:
                yield Invalid(record.line, (record.problem or Message("cannot be read"),))
                continue
            try:
                yield from self._jobs(record.line, dict(record.fields))
            except ZimageError as error:
                problems = getattr(error, "problems", (error,))
                yield Invalid(record.line, tuple(map(_said, problems)))

    def _jobs(self, line: int, fields: dict[str, object]) -> Iterator[Job]:
        own = {name: fields.pop(name) for name in OWN_FIELDS if name in fields}
        check_base_url = self.defaults.check_base_url
        if "base_url" in fields and check_base_url is None:
            raise UsageError(
                "base_url: a file does not decide where the key is sent; "
                "--trust-base-url allows it",
                field="base_url",
            )
        template = self._template(own.get("name"))
        output = self._output(own.get("output"))
        sweep = self.defaults.sweep
        if "count" in own:
            sweep = replace(sweep, count=_count(own["count"]))
        request = self._request(fields, own.get("preset"))
        if request.base_url is not None and check_base_url is not None:
            check_base_url(request.base_url)
        shard, shards = self.defaults.shard
        own_name = template.varied(sweep)
        drawn: int | None = None
        # Each folder draws its own seeds: what shares one is made in one shard, by its first key.
        together: dict[int, bytes] = {}
        shares = sweep.multiplies and not sweep.no_seed
        for number, variant in enumerate(variants(request, sweep), 1):
            self._number += 1
            key, shared = self._key(variant.request, template, output), b""
            if drawn is None:
                drawn = self._draw(key)
            if shares and variant.request.seed is None:
                shared = together.setdefault(variant.step, key)
            if int.from_bytes((shared or key)[:8], "big") % shards == shard - 1:
                sent = variant.request if sweep.no_seed else variant.with_seed(drawn)
                one = None if sweep.is_one else number
                yield Job(line, self._number, sent, own_name, output, key, one, shared)

    def _request(self, fields: dict[str, object], preset: object) -> Request:
        """Return the request of a line. Raises RequestInvalid, UsageError."""
        if preset is not None and not isinstance(preset, str):
            raise UsageError("preset: {value} is not text", field="preset", value=shown(preset))
        defaults, named = self.defaults, self.defaults.preset if preset is None else preset
        if not named:
            return parse_request(fields, defaults={**defaults.fields, **defaults.outright})
        from zimage_cli.core.request.presets import chosen, request_with

        # With no seed, a preset's is none either; the line's own is.
        no_seed = {"seed": None} if defaults.sweep.no_seed else {}
        return request_with(
            chosen(named, defaults.presets),
            fields,
            overrides={},
            defaults=defaults.fields,
            outright={**defaults.outright, **no_seed},
        )

    def _key(self, request: Request, template: NameTemplate, output: str | None) -> bytes:
        """Return what a picture is known by: its content, and which of several equal ones it is."""
        from hashlib import blake2b

        asked = (request.prompt, request.size, request.seed, request.prompt_extend)
        parts = (*asked, request.base_url, template.text, output)
        content = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
        digest = blake2b(content, digest_size=16).digest()
        twin = self._seen.get(digest, 0)
        self._seen[digest] = twin + 1
        return blake2b(digest + twin.to_bytes(8, "big"), digest_size=16).digest()

    def _draw(self, key: bytes) -> int:
        """Return the seed of a line, drawn by the key of its first picture."""
        from hashlib import blake2b

        drawn = blake2b(key, key=self.defaults.salt, digest_size=4).digest()
        return int.from_bytes(drawn, "big") & MAX_SEED

    def _template(self, name: object) -> NameTemplate:
        if name is None:
            return self.defaults.template
        if not isinstance(name, str):
            raise UsageError("name: {value} is not text", field="name", value=shown(name))
        if name not in self._templates:
            if len(self._templates) > 1000:
                self._templates.clear()
            self._templates[name] = NameTemplate.parse(name, self.defaults.suffix)
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


def _said(problem: ZimageError) -> Message:
    """Return what is wrong with a line: it may hold more than the fields of a request."""
    name = problem.facts.get("field")
    if name is None or name in COLUMNS:
        return problem.message
    allowed, nearest = Listing(", ", COLUMNS), nearest_column(str(name))
    template = "{name}: is not a field of a line; allowed: {allowed}; did you mean {nearest}?"
    if nearest is None:
        template = "{name}: is not a field of a line; allowed: {allowed}"
    return Message(template, name=name, allowed=allowed, nearest=nearest)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_COUNT:
        raise UsageError(
            "count: {value} is not allowed; allowed: {allowed}",
            field="count",
            value=shown(value),
            allowed=f"1 … {MAX_COUNT}",
        )
    return value


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
    if format_of(value) is None:
        raise UsageError(
            "output: {value} does not end in .png, .jpg or .webp",
            field="output",
            value=shown(value),
        )
    return "/".join(windows.parts)
