"""The schema of a request is valid exactly when zimage takes the request."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from zimage_cli.core.request.fields import CONTROL, MAX_SEED, SHOWS_NOTHING, TABLE
from zimage_cli.core.request.request import parse_json_object, parse_request
from zimage_cli.core.request.sizes import MAX_PIXELS, MIN_PIXELS
from zimage_cli.core.schema import schema
from zimage_cli.core.schema.patterns import SPACE, points, product_up_to
from zimage_cli.errors import RequestInvalid

REQUESTS = 5_000
SCHEMA = schema("request")
VALIDATOR = Draft202012Validator(SCHEMA)

CHARACTERS = (
    *("a", "湖", "{", "\\", "😀", " ", "\t", "\n", "\r", "\r\n", "\u00a0", "\u3000", "\u2028"),
    *("\u200b", "\u00ad", "\ufe0f", "\ufeff", "\U000e0041", "\U000e0100", "\U0001343f", "\u3164"),
    *("\x00", "\x0b", "\x1b", "\x1c", "\x7f", "\x85", "\x9f", "\ud83d", "\udc00", "\udfff"),
)
RATIOS = "1:1 2:3 16:9 9:21 5:4 16:10 016:9 square portrait landscape 方图 横图 竖图 squares"
HOSTS = (
    *("h.example", "H-1_2.Example", "localhost", "LocalHost", "127.0.0.1", "127.001.02.255"),
    *("127.0.0.256", "127.1", "10.0.0.1", "[::1]", "::1", "[::2]", "[v1.a]", "x[::1]", "[::1]x"),
    *("\u212a.example", "ｈ.example", "a..b", "a.", "-a", "", "h\u200b", "h h", "h%20"),
)
PORTS = (
    *("", "", "", ":80", ":443", ":0", ":", ":65535", ":65536", ":99999", ":100000", ":00443"),
    *(":000065535", ":x", ":+1", ":٣", ":1:2"),
)
PATHS = (
    *("", "", "", "/", "//", "/api/v1", "/api/v1//", "//api/v1", "/API/v1", "/x", "?", "#", "/?a"),
    *("/api/v1/services/aigc/multimodal-generation/generation", "/api/v1/services", "\\", ";a"),
)
SIDES = r"\s*[0-9０-９]+\s*[*xX×＊ｘＸ]\s*[0-9０-９]+\s*"
SCALARS = (None, True, False, 0, 1, -1, 1.0, -0.0, 7.5, 1e300, 10**30, "", "12", [], {}, ["a"])
UNKNOWN = ("sedd", "Prompt", "prompt ", "", "negative_prompt", "n", "__proto__")


class Requests:
    """Requests near the border between what is taken and what is not."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self) -> dict[str, Any]:
        made: dict[str, Any] = {"prompt": "a kite"} if self.random.random() < 0.97 else {}
        for name in self.random.choices([*TABLE], k=self.random.choice([1] * 9 + [3])):
            odd = self.random.random() < 0.1
            made[name] = self.random.choice(SCALARS) if odd else getattr(self, name)()
        if self.random.random() < 0.04:
            made[self.random.choice(UNKNOWN)] = self.random.choice(SCALARS)
        return made

    def prompt(self) -> str:
        some = self.random.choice([CHARACTERS, CHARACTERS[:21], CHARACTERS[:13]])
        text = "".join(self.random.choices(some, k=self.random.randrange(7)))
        # Two halves of a character that have met are one, in JSON.
        return str(json.loads(json.dumps(text)))

    def size(self) -> str:
        pick, blank = self.random.choice, self.blank
        match self.random.randrange(6):
            case 0:
                across, down = self.sides()
                text = (
                    f"{pick(['', '', '00'])}{across}{blank()}{pick('***xX×＊ｘ+')}{blank()}{down}"
                )
            case 1:
                text = pick(RATIOS.split()).replace(":", f"{blank()}{pick(':：')}{blank()}")
                if pick([True, False]):
                    tier = pick(["1024", "1280", "1536", "1000", "01024", ""])
                    text += f"{blank()}{pick('@＠')}{blank()}{tier}"
            case 2:
                lines = pick([383, 384, 385, 1535, 1536, 1537, 720, self.random.randrange(9_999)])
                text = f"{lines:0{pick([1, 4, 5])}}{pick('pPｐ')}"
            case 3:
                text = "".join(
                    self.random.choices("0123456789*x×:@p １", k=self.random.randrange(9))
                )
            case _:
                text = (
                    f"{self.random.randrange(1, 4097)}{pick('*x')}{self.random.randrange(1, 4097)}"
                )
        if self.random.random() < 0.1:
            text = text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
        return f"{blank()}{pick([text, text, text.upper()])}{blank()}"

    def sides(self) -> tuple[int, int]:
        """Return two sides whose product is about the least or the most that is taken."""
        across = int(10 ** self.random.uniform(0, 7))
        down = self.random.choice([MIN_PIXELS - 1, MIN_PIXELS, MAX_PIXELS]) // across
        both = [across, max(down + self.random.choice([-1, 0, 0, 1]), 0)]
        self.random.shuffle(both)
        return both[0], both[1]

    def blank(self) -> str:
        return self.random.choice([*[""] * 20, " ", "\u3000", "\x1c", "\n", "\u200b"])

    def seed(self) -> Any:
        near = (0, 1, 7.0, -1, MAX_SEED, MAX_SEED + 1, float(MAX_SEED + 1), 0.5)
        return self.random.choice([*near, self.random.randrange(-9, 2**32)])

    def prompt_extend(self) -> Any:
        return self.random.choice([True, False, 0, 1, "true"])

    def base_url(self) -> str:
        pick = self.random.choice
        parts = [pick(["https", "HTTPS", "http", "hTTp"]), "://", "", "h.example", "", ""]
        odd = (["ftp", "", "https "], [":", "//", ":/", ":///"], ["u@", "@"], HOSTS, PORTS, PATHS)
        for place in self.random.sample(range(6), k=self.random.choice([0, 1, 1, 2])):
            parts[place] = pick(odd[place])
        text = "".join(parts)
        return f"{self.blank()}{text}{self.blank()}"

    def model(self) -> str:
        return self.random.choice(["z-image-turbo", "z-image-turbo", "Z-Image-Turbo", "wan"])


def taken(text: str) -> bool:
    """Tell whether zimage takes a request: the functions that `validate` calls."""
    try:
        parse_request(parse_json_object(text, "--request"))
    except RequestInvalid:
        return False
    return True


def is_exception(request: dict[str, Any]) -> bool:
    """Tell whether a request is one of the two cases that the schema's description names."""
    seed, size = request.get("seed"), request.get("size")
    decimal = isinstance(seed, float) and seed.is_integer() and 0 <= seed <= MAX_SEED
    sides = isinstance(size, str) and re.fullmatch(SIDES, size)
    return decimal or bool(sides and re.search("[０-９]", sides[0]))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    make = Requests(13)
    return [json.dumps(make.one()) for _ in range(REQUESTS)]


def test_a_request_is_valid_exactly_when_zimage_takes_it(texts: list[str]) -> None:
    wrong, good, left = [], 0, 0
    for text in texts:
        request = json.loads(text)
        if is_exception(request):
            left += 1
            continue
        accepted = taken(text)
        good += accepted
        if VALIDATOR.is_valid(request) is not accepted:
            wrong.append(text)
    assert wrong == []
    # Both kinds in numbers, and hardly an exception.
    assert REQUESTS * 0.25 < good < REQUESTS * 0.75
    assert left < REQUESTS * 0.05


def test_the_exceptions_are_those_that_the_description_names() -> None:
    assert "1.0" in SCHEMA["description"]
    assert VALIDATOR.is_valid({"prompt": "x", "seed": 1.0})
    assert not taken('{"prompt": "x", "seed": 1.0}')
    assert "full-width digits" in SCHEMA["description"]
    assert not VALIDATOR.is_valid({"prompt": "x", "size": "１０２４＊７６８"})
    assert taken('{"prompt": "x", "size": "１０２４＊７６８"}')


def test_the_command_says_the_same(zimage: Any, texts: list[str]) -> None:
    judged = ((text, json.loads(text)) for text in texts)
    told = ((text, VALIDATOR.is_valid(one)) for text, one in judged if not is_exception(one))
    left = {True, False}
    while left:
        text, valid = next(told)
        zimage("validate", "--request", text, "--quiet", status=0 if valid else 2)
        left.discard(valid)


@pytest.mark.parametrize("limit", [MAX_PIXELS, MIN_PIXELS - 1, 1, 9, 99, 1_234])
def test_a_product_is_judged_to_the_last_digit(limit: int) -> None:
    pattern = re.compile(product_up_to(limit))
    for one in (*range(1, 4_200, 3 if limit > 2_000 else 1), 9_999, 10_000, 123_456, limit):
        for other in {limit // one, limit // one + 1, 1, 9_999_999} - {0}:
            fits = one * other <= limit
            assert (pattern.search(f"{one}*{other}") is not None) is fits, (one, other)
            assert (pattern.search(f" 0{other} x 00{one} ") is not None) is fits, (other, one)


def test_a_long_prompt_is_read_once() -> None:
    pattern = re.compile(SCHEMA["properties"]["prompt"]["pattern"])
    # Each would take hours where a part of the pattern tried every place.
    for part in (" ", "\u200b", "\r\n", "a", "a\r\n", "\u200b\r\n"):
        assert not pattern.search(part * 200_000 + "\0")


def test_white_space_and_what_shows_nothing_are_what_this_python_says() -> None:
    every = range(sys.maxunicode + 1)
    assert points(SPACE) == {code for code in every if chr(code).isspace()}
    formats = {chr(code) for code in every if unicodedata.category(chr(code)) == "Cf"}
    assert formats <= SHOWS_NOTHING
    control = {code for code in every if unicodedata.category(chr(code)) in {"Cc", "Cs"}}
    assert points(CONTROL) == control - {0x09, 0x0A}


SCRIPT = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = cases.map(([pattern, texts]) => {
  const compiled = new RegExp(pattern, "u");
  return texts.map((text) => compiled.test(text));
});
console.log(JSON.stringify(found));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_javascript_reads_the_patterns_alike() -> None:
    make = Requests(31)
    words, sides = SCHEMA["$defs"]["size"]["anyOf"]
    form, least, most = sides["allOf"]
    sizes = [make.size() for _ in range(1_000)]
    plain = [text for text in sizes if re.search(form["pattern"], text)]
    cases = [
        (SCHEMA["properties"]["prompt"]["pattern"], [make.prompt() for _ in range(1_000)]),
        (SCHEMA["properties"]["base_url"]["pattern"], [make.base_url() for _ in range(1_000)]),
        (words["pattern"], sizes),
        (form["pattern"], sizes),
        # What the long ones say counts only for texts of that form.
        (least["not"]["pattern"], plain),
        (most["pattern"], plain),
    ]
    done = subprocess.run(
        ["node", "-e", SCRIPT], input=json.dumps(cases), capture_output=True, check=True, text=True
    )
    for (pattern, texts), found in zip(cases, json.loads(done.stdout), strict=True):
        compiled = re.compile(pattern)
        mine = [compiled.search(text) is not None for text in texts]
        assert [*zip(texts, found, strict=True)] == [*zip(texts, mine, strict=True)]
        assert len(set(mine)) == 2
