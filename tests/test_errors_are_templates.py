"""Every error is a literal template with named facts, and never changes."""

from __future__ import annotations

import ast
import copy
import importlib
import pickle
import re
from collections.abc import Iterator
from functools import cache, partial
from itertools import chain
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

import zimage_cli
from zimage_cli.errors import Billed, RequestInvalid, UsageError, ZimageError
from zimage_cli.messages import Listing, Message, Shown

PACKAGE = Path(zimage_cli.__file__).parent

FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
ATTRIBUTES = {"hint", "code", "request_id", "http_status", "service_message", "pace", "billed"}
ATTRIBUTES |= {"retry_after"}
FOR_JSON = {"field", "value", "allowed", "nearest"}
"""Facts that stand in `--json`, whether the sentence names them or not."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


# -- what the source says -------------------------------------------------------------------------


@cache
def sources() -> dict[str, ast.Module]:
    return {name: ast.parse((PACKAGE / name).read_text("utf-8")) for name in FILES}


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


@cache
def error_classes() -> dict[str, bool]:
    """Return the names of ZimageError and all that come from it, and whether each takes a template.

    RequestInvalid takes problems instead.
    """
    trees = sources().values()
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {"ZimageError": True}
    while more := {
        one.name: all(map(passes_on, own_init(one)))
        for one in classes
        if one.name not in found and found.keys() & {name_of(base) for base in one.bases}
    }:
        found |= more
    return found


def own_init(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]


def passes_on(function: Function) -> bool:
    """Tell whether a function takes a template and gives it to an error."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    names = [one.arg for one in arguments if one.arg not in {"self", "cls"}]
    return names[:1] == ["template"]


def values(function: Function, name: str) -> Iterator[ast.expr]:
    """Yield what is assigned to a name in a function."""
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign) and name_of(node.target) == name:
            yield node.value
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            else:
                pairs = [(target, node.value)]
            yield from (value for one, value in pairs if name_of(one) == name)


def fields_of(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


class Checker:
    """Looks through one module; `wrong` is what it found."""

    def __init__(self, tree: ast.Module, errors: dict[str, bool]) -> None:
        self.errors = errors
        self.wrong: list[str] = []
        self.texts = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.tables = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
            for target in node.targets
            if isinstance(target, ast.Name)
            if all(isinstance(one, ast.Constant) for one in node.value.values)
        }
        """Dictionaries of texts."""
        self.helpers = dict(self._helpers(tree))
        """Functions and classes of this module that pass a template on, and the facts they add."""
        self._walk(tree, None, None)

    def _helpers(self, tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for one in own_init(node):
                    if passes_on(one):
                        yield node.name, self._added(one)
            elif isinstance(node, Function) and node.name != "__init__" and passes_on(node):
                yield node.name, self._added(node)

    def _added(self, function: Function) -> set[str]:
        return {
            word.arg
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and node.args and name_of(node.args[0]) == "template"
            for word in node.keywords
            if word.arg is not None
        }

    def _walk(self, node: ast.AST, of: ast.ClassDef | None, inside: Function | None) -> None:
        if isinstance(node, ast.ClassDef):
            of = node
        if isinstance(node, Function):
            inside = node
        if isinstance(node, ast.Call):
            name = name_of(node.func)
            upward = ast.unparse(node.func) == "super().__init__" and of is not None
            if (
                (upward and of is not None and of.name in self.errors)
                or self.errors.get(name)
                or name in {*self.helpers, "Message", "counted", "but"}
            ):
                self._call(node, name, inside)
        for child in ast.iter_child_nodes(node):
            self._walk(child, of, inside)

    def _call(self, call: ast.Call, name: str, inside: Function | None) -> None:
        words = {word.arg: word.value for word in call.keywords}
        facts = {word for word in words if word is not None} - ATTRIBUTES
        complain = partial(self._complain, call)
        used: set[str] | None = set()
        taken = call.args[1:3] if name == "counted" else call.args[:1]
        for template in chain(*(self._templates(one, inside, complain) for one in taken)):
            if template is None:
                used = None
            else:
                filled = self._fill(template, facts, complain, more=self._more(name, words))
                used = None if used is None else used | filled
        hints = self._hints(words.get("hint"), complain)
        for hint in hints or ():
            filled = self._fill(hint, facts, complain, more=None if None in words else set())
            used = None if used is None else used | filled
        idle = facts - (used or set()) - FOR_JSON - {"problems"}
        if idle and used is not None and hints is not None and name not in self.helpers:
            complain(f"no braces for {sorted(idle)}")

    def _templates(
        self, node: ast.expr | None, inside: Function | None, complain: Any
    ) -> list[str | None]:
        """Return the texts that a template can be; None for one that is checked elsewhere."""
        match node:
            case None:
                return []
            case ast.Constant(value=str(text)):
                return [text]
            case ast.IfExp():
                both = (node.body, node.orelse)
                return [text for one in both for text in self._templates(one, inside, complain)]
            case ast.Attribute(attr="template"):
                return [None]
            case ast.Name(id="template") if inside is not None and passes_on(inside):
                return [None]
            case (
                ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"))
                | ast.Subscript(value=ast.Name(id=name))
            ) if name in self.tables:
                return [None]
            case ast.Name() if inside is not None and (bound := list(values(inside, node.id))):
                found = [text for one in bound for text in self._templates(one, None, complain)]
                # Which of several goes with which facts is not followed.
                return found if len(bound) == 1 else [None for _ in found]
        complain("the template is no literal text")
        return []

    def _more(self, name: str, words: dict[str | None, ast.expr]) -> set[str] | None:
        """Return facts that a call need not give itself; None where they cannot be known."""
        if name == "counted" and None not in words:
            return {"count"}
        if None in words or name == "but":
            return None
        return self.helpers.get(name, set())

    def _fill(
        self, template: str, facts: set[str], complain: Any, more: set[str] | None
    ) -> set[str]:
        """Check a template against its facts, and return what it names."""
        try:
            fields = fields_of(template)
        except ValueError:
            fields = {""}
        named = {field for field in fields if field.isidentifier()}
        if not facts and not more:
            # Then it is plain text, braces and all.
            if more is not None and (named or "{{" in template or "}}" in template):
                complain(f"braces without facts: {template!r}")
        elif named != fields:
            complain(f"braces that are no name: {template!r}")
        elif more is not None and (missing := named - facts - more):
            complain(f"no facts for {sorted(missing)}")
        return named

    def _hints(self, hint: ast.expr | None, complain: Any) -> list[str] | None:
        """Return the texts that a hint can be; None where it is made elsewhere."""
        match hint:
            case None:
                return []
            case ast.Constant(value=value):
                return [value] if isinstance(value, str) else []
            case ast.IfExp():
                both = [self._hints(one, complain) for one in (hint.body, hint.orelse)]
                return None if None in both else [text for one in both for text in one or ()]
            case ast.Name(id=name) if isinstance(self.texts.get(name), str):
                return [str(self.texts[name])]
            case ast.JoinedStr() | ast.BinOp():
                complain("the hint is no literal text")
        return None

    def _complain(self, call: ast.Call, what: str) -> None:
        self.wrong.append(f"{call.lineno}: {what}")


@pytest.mark.parametrize(
    "path", [name for name in FILES if name not in {"errors.py", "messages.py"}]
)
def test_every_error_is_a_literal_template(path: str) -> None:
    assert Checker(sources()[path], error_classes()).wrong == []


OWN_INIT = "class F(E):\n def __init__(self, template, /): super().__init__(template, a=1)"


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ('raise E(f"no {name}")', "the template is no literal text"),
        ("raise errors.E(text)", "the template is no literal text"),
        ('raise E("no {a}" if a else f"no {b}", a=a)', "the template is no literal text"),
        ('def f(a):\n t = "no"\n t += a\n raise E(t)', "the template is no literal text"),
        ('D = {1: f"no {a}"}\ndef f(a):\n t = D.get(a)\n raise E(t)', "the template is no literal"),
        ('D = {1: f"no {a}"}\nraise E(D[1])', "the template is no literal"),
        ('def f(a):\n t, u = f"no {a}", 1\n raise E(t)', "the template is no literal text"),
        ('raise E("no " + name)', "the template is no literal text"),
        ('raise E("no {name}")', "braces without facts: 'no {name}'"),
        ('raise E("write {{red}}")', "braces without facts: 'write {{red}}'"),
        ('raise E("no file", path=path)', "no braces for ['path']"),
        ('raise E("no {path}", name=name)', "no facts for ['path']"),
        ('raise E("no {path.name}", path=path)', "braces that are no name: 'no {path.name}'"),
        ('raise E("no {path", path=path)', "braces that are no name: 'no {path'"),
        ('raise E("no {path}", path=path, hint="see {name}")', "no facts for ['name']"),
        ('raise E("no file", hint=f"see {name}")', "the hint is no literal text"),
        ('raise E("no file", hint="see {name}" if name else None)', "braces without facts"),
        ('raise error.but(f"{error} Nothing was sent.")', "the template is no literal text"),
        ('raise error.but(hint="see " + name)', "the hint is no literal text"),
        ('x = Message("no {name}")', "braces without facts"),
        ('def f(template): return E(template, a=1)\nraise f("{b}")', "no facts for ['b']"),
        ("def f(template): return E(template)\nraise f(text)", "the template is no literal text"),
        (f'{OWN_INIT}\nraise F("{{b}}")', "no facts for ['b']"),
        (
            'class F(E):\n def __init__(self): super().__init__(f"{a}")',
            "the template is no literal",
        ),
    ],
)
def test_what_is_no_template_is_found(source: str, wrong: str) -> None:
    first, *_ = Checker(ast.parse(source), {"E": True, "F": True}).wrong
    assert wrong in first


@pytest.mark.parametrize(
    "source",
    [
        'raise E("plain")',
        'raise E("{path} cannot be read: {why}", path=path, why=why, hint="See {path}.")',
        'raise E("{n:,} of {name!r}", n=n, name=name, field="name", value=name, pace="normal")',
        'raise E("write {{ and {path}", path=path)',
        'raise E("no", hint=Message(\'{"prompt": "x"}\'))',
        'raise error.but("{cause} Nothing was sent.", billed=Billed.NO)',
        'raise error.but(hint="See {id}.", id=1)',
        f'{OWN_INIT}\nraise F("{{a}}")',
        "class G(Exception):\n def __init__(self): super().__init__(str(self.said))",
        'raise E("no {a}" if a else "no {b}", a=a, b=b)',
        'def f(a):\n t, u = "no {a}", 1\n raise E(t, a=a)',
        "raise E(error.message.template, **error.facts)",
        'def f(a):\n t = "no"\n if a: t = "no {a}"\n raise E(t, a=a)',
        'D = {1: "no {a}"}\ndef f(a):\n t = D.get(a)\n raise E(t, a=a)',
        'D = {1: "no {a}"}\nraise E(D[b], a=a)',
        'H = "See {path}."\nraise E("no", hint=H, path=path)',
        'def f(template, **facts): return E(template, a=1, **facts)\nraise f("{a} {b}", b=2)',
    ],
)
def test_what_is_a_template_is_let_through(source: str) -> None:
    assert Checker(ast.parse(source), {"E": True}).wrong == []


# -- what an error is -----------------------------------------------------------------------------


@cache
def all_classes() -> list[type[ZimageError]]:
    """Return every error class of the package, from wherever it is defined.

    Tests are named by them: every worker asks, so the lines are read and not the syntax.
    """
    heads = [
        (path, *head)
        for path in FILES
        for head in re.findall(r"(?m)^class (\w+)\((.+)\):$", (PACKAGE / path).read_text("utf-8"))
    ]
    found = {"ZimageError": "errors.py"}
    while more := {
        name: path
        for path, name, bases in heads
        if name not in found and found.keys() & set(re.findall(r"\w+", bases))
    }:
        found |= more
    return [
        getattr(importlib.import_module(f"zimage_cli.{path[:-3].replace('/', '.')}"), name)
        for name, path in found.items()
    ]


def example(cls: type[ZimageError]) -> ZimageError:
    if issubclass(cls, RequestInvalid):
        wrong = [
            UsageError("seed: {value} is odd", field="seed", value=Shown(str(n), n)) for n in (3, 5)
        ]
        return cls(tuple(wrong))
    return cls(
        "{path} and {what} broke {count:,} times, as {value!r}: {why}.",
        path=Path("a/b"),
        what=Message("{n} others", n=2),
        count=1000,
        value=Shown('"x"', "x"),
        why=Listing(", ", [Message("first"), Message("{n}nd", n=2)]),
        **({} if cls.__name__ == "SizeError" else {"hint": "See {path}."}),
        code="Throttling",
        request_id="r-1",
        http_status=429,
        service_message="Slow {down}",
        pace="burst",
        billed=Billed.MAYBE,
        retry_after=2.5,
    )


def told(error: ZimageError) -> dict[str, Any]:
    """Return everything that an error says."""
    facts = {name: str(fact) for name, fact in error.facts.items() if name != "problems"}
    names = ("message", "hint", *sorted(ATTRIBUTES - {"hint"}), "maybe_billed", "kind", "args")
    return {"facts": facts, **{name: getattr(error, name) for name in names}}


def test_all_classes_are_found() -> None:
    found = {cls.__name__ for cls in all_classes()}
    assert found >= {"ZimageError", "DiskError", "RequestInvalid", "SizeError", "HistoryFull"}
    assert found == error_classes().keys()


@pytest.mark.parametrize("cls", all_classes())
def test_an_error_survives_pickle_and_copy(cls: type[ZimageError]) -> None:
    error = example(cls)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is cls
        assert told(again) == told(error)
        assert str(again) == error.message
        values = [fact for fact in again.facts.values() if isinstance(fact, Shown)]
        assert all(value.plain == "x" for value in values)
    problems = getattr(pickle.loads(pickle.dumps(error)), "problems", ())
    assert [told(one) for one in problems] == [told(one) for one in getattr(error, "problems", ())]


@pytest.mark.parametrize("cls", all_classes())
def test_a_copy_with_other_words_leaves_the_error_as_it_was(cls: type[ZimageError]) -> None:
    error = example(cls)
    before = told(error)
    other = error.but("{cause} And {more}.", hint="Look at {more}.", more="{this}", pace=None)
    assert type(other) is cls
    assert other.message == f"{error.message} And {{this}}."
    assert other.hint == "Look at {this}."
    assert other.pace is None
    assert other.facts.keys() >= error.facts.keys()
    # Said again, it still has all of it.
    assert other.but("{cause} Again.").message == f"{other.message} Again."
    assert other.but(hint=None).hint is None
    assert error.but(billed=Billed.YES).message == error.message
    assert told(error) == before


def test_a_copy_may_have_other_facts_in_the_same_sentence() -> None:
    error = UsageError("{field}: {value} is odd", field="base URL", value="x")
    assert error.but(field="base_url").message == "base_url: x is odd"
    assert UsageError("plain {text}").but(text=1).message == "plain {text}"


@pytest.mark.parametrize("cls", all_classes())
def test_an_error_cannot_be_changed(cls: type[ZimageError]) -> None:
    error = example(cls)
    before = told(error)
    for name in [*ATTRIBUTES, "message", "hint", "facts", "anything"]:
        with pytest.raises(AttributeError):
            setattr(error, name, "other")
    with pytest.raises(TypeError):
        error.facts["path"] = "other"  # type: ignore[index]
    with pytest.raises(AttributeError):
        error.message.template = "other"
    assert told(error) == before


@pytest.mark.parametrize("cls", all_classes())
def test_an_error_can_be_raised_with_a_cause_and_notes(cls: type[ZimageError]) -> None:
    cause = OSError("disk")
    error = example(cls)
    with pytest.raises(cls) as caught:
        raise error from cause
    error.add_note("seen")
    assert caught.value is error
    assert error.__cause__ is cause
    assert error.__traceback__ is not None
    assert error.__notes__ == ["seen"]
