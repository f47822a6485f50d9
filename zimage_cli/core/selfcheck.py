"""Is everything well that a picture needs? Offline, without cost, without sending anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zimage_cli.api.errors import ZimageError
from zimage_cli.core import evidence, save
from zimage_cli.core.files import make_writable_folder, reason, write_whole
from zimage_cli.core.history_file import HistoryFull, HistoryLocked
from zimage_cli.core.ledger import Ledger
from zimage_cli.core.settings import Settings
from zimage_cli.core.text import visible

OK, WARNING, FAILED = "ok", "warning", "failed"
COMPILED = "py_compile_ok"
REPORT = "validate.txt"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, how it went, what was found, and what to do about it."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    hint: str | None = None

    @property
    def line(self) -> str:
        """Return the check as one line of the report."""
        return f"{self.status} {self.name}: {visible(self.detail)}"


def failed(name: str, error: ZimageError) -> Check:
    """Return a check that an error failed."""
    return Check(name, "failed", error.message, error.hint)


def check_code() -> Check:
    """Compile every module of the package, without writing anything."""
    root = Path(__file__).parent.parent
    count = 0
    for path in sorted(root.rglob("*.py")):
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OSError) as error:
            return Check(
                "code", "failed", f"{path}: {error}", "Install it again: pip install -U zimage-cli"
            )
        count += 1
    return Check("code", "ok", f"{count} modules compile")


def check_settings(settings: Settings) -> Iterator[Check]:
    """Check what the resolver found: file, region, endpoint, key, folder, ledger."""
    path = settings.config.path
    where = str(path) if path and path.exists() else "no config file; defaults and environment"
    if settings.warnings:
        yield Check("config", "warning", f"{where}; {'; '.join(settings.warnings)}")
    else:
        yield Check("config", "ok", where)
    target = settings.target
    yield Check("region", "ok", f"{target.region_name} ({settings.region.source})")
    yield Check(
        "endpoint",
        "ok",
        f"{target.endpoint}: {target.api_root or 'inside zimage'} ({settings.endpoint.source})",
    )
    yield _key(settings)
    yield _folder(settings.output_dir.value)
    yield _ledger(settings)


def write_report(base: Path, checks: list[Check]) -> Path:
    """Write `validate.txt` under a base folder and return its path. Raises OSError.

    Its first line is `py_compile_ok` where the package compiles.
    """
    code = next((check for check in checks if check.name == "code"), None)
    first = COMPILED if code is not None and code.status == OK else "py_compile_failed"
    path = base / evidence.FOLDER / REPORT
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([first, *(check.line for check in checks)]) + "\n"
    write_whole(path, text.encode("utf-8", "backslashreplace"))
    return path


def _key(settings: Settings) -> Check:
    if settings.target.is_sandbox:
        return Check("key", "ok", "the sandbox needs none")
    try:
        found = settings.key()
    except ZimageError as error:
        return failed("key", error)
    if found is None:
        return Check(
            "key",
            "warning",
            f"none for {settings.target.region_name}",
            f"zimage config set-key --region {settings.target.key_region}",
        )
    return Check("key", "ok", f"{found.value.masked} ({found.source})")


def _folder(base: Path) -> Check:
    folder = base / save.FOLDER
    try:
        make_writable_folder(folder)
    except ZimageError as error:
        return failed("output", error)
    return Check("output", "ok", f"{folder.absolute()} is writable")


def _ledger(settings: Settings) -> Check:
    path = settings.environment.ledger_file()
    hint = "Pictures are still made and saved; what is made is not remembered."
    if path is None:
        return Check("history", "warning", "no home folder is known", hint)
    try:
        Ledger(path, patience=1).close()
        if not os.access(path, os.W_OK):
            return Check("history", "warning", f"{path} is read-only", hint)
    except (HistoryLocked, HistoryFull) as error:
        return Check(
            "history", "warning", f"{error.message} Until then nothing is sent.", error.hint
        )
    except ZimageError as error:
        return Check("history", "warning", error.message, hint)
    except OSError as error:
        return Check("history", "warning", f"{path}: {reason(error)}", hint)
    return Check("history", "ok", str(path))
