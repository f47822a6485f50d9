"""The map of the house (CONTRIBUTING.md): what may import what, type-only imports included."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import zimage_cli

PACKAGE = Path(zimage_cli.__file__).parent

# From the ground up: a room imports itself and rooms that stand before it.
FLOORS = (
    "version",
    "messages",
    "locale",
    "text",
    "errors",
    "api",
    "sandbox",
    "core/request",
    "core",
    "core/recipe",
    "core/settings",
    "core/history",
    "core/gallery",
    "core/making",
    "core/run",
    "core/batch",
    "core/validate",
    "core/schema",
    "client",
    "async_client",
    "mcp",
    "cli",
    "__main__",
)
# The package's own module names what is public, and loads it when it is used.
PUBLIC = "__init__"
SANDBOX_MAY = {"errors", "messages", "text", "api"}


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                found = module if module in MODULES else node.module
                if found in MODULES:
                    yield found


@cache
def imports() -> dict[str, set[str]]:
    """Return what each module imports of the package."""
    return {name: {*imported(path)} - {name} for name, path in MODULES.items()}


def room(module: str) -> str:
    """Return where a module stands: `core/making`, `cli`, `errors`."""
    _, *parts = module.split(".")
    if parts[:1] == ["core"] and (PACKAGE / "core" / "".join(parts[1:2])).is_dir():
        return "/".join(parts[:2])
    return parts[0] if parts else PUBLIC


def test_every_module_stands_in_a_room() -> None:
    assert {room(name) for name in MODULES} == {*FLOORS, PUBLIC}


def test_a_module_imports_only_rooms_below_its_own() -> None:
    upwards = []
    for name, others in imports().items():
        own = room(name)
        if own == PUBLIC:
            continue
        below = SANDBOX_MAY if own == "sandbox" else {*FLOORS[: FLOORS.index(own)]}
        upwards += [f"{name} → {other}" for other in others if room(other) not in {*below, own}]
    assert upwards == []


def test_no_module_imports_itself_through_others() -> None:
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in imports()[name]:
                walk(other, (*way, name))
            done.add(name)

    for name in MODULES:
        walk(name, ())


def test_only_the_command_line_knows_its_libraries() -> None:
    for name, path in MODULES.items():
        found = {
            (node.module or "").partition(".")[0]
            if isinstance(node, ast.ImportFrom)
            else node.names[0].name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, (ast.Import, ast.ImportFrom))
        }
        if room(name) != "cli":
            assert not found & {"typer", "rich"}, name


def test_the_map_names_files_that_are_there() -> None:
    root = Path(__file__).parents[1]
    text = (root / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"(?<![\w/])(?:tests|core|api|cli|benchmarks)/[\w/]*\.py\b", text))
    assert len(named) > 40
    homes = (root, PACKAGE)
    assert [name for name in named if not any((home / name).is_file() for home in homes)] == []
