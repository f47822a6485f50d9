"""What a picture says of its own making, in the forms that programs read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from zimage_cli.api.payload import MODEL
from zimage_cli.core.recipe.xmp import CREATOR_TOOL, DESCRIPTION, SOURCE_TYPE, Property, packet
from zimage_cli.text import json_text, without_keys
from zimage_cli.version import __version__

if TYPE_CHECKING:
    from zimage_cli.api.png import PngInfo
    from zimage_cli.core.request.request import Request

_AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for a picture that a trained model made from a text."""


class Recipe(NamedTuple):
    """How a picture was made; never a key or an address.

    `size` is `W*H` as asked for, `time` the UTC time of the answer in ISO 8601, `version` zimage's;
    `width` and `height` are the picture's own, in pixels. What a file does not tell is None, or
    empty text.
    """

    prompt: str
    size: str = ""
    seed: int | None = None
    prompt_extend: bool = False
    model: str = ""
    region: str = ""
    request_id: str | None = None
    rewritten_prompt: str | None = None
    time: str = ""
    version: str = ""
    width: int | None = None
    height: int | None = None

    @classmethod
    def of(
        cls,
        request: Request,
        info: PngInfo,
        *,
        region: str,
        request_id: str | None,
        rewritten_prompt: str | None,
        answered_at: str | None,
    ) -> Recipe:
        """Return the recipe of a picture that the service served just now."""
        return cls(
            prompt=request.prompt,
            size=request.size,
            seed=request.seed,
            prompt_extend=request.prompt_extend,
            model=MODEL,
            region=region,
            request_id=request_id,
            rewritten_prompt=rewritten_prompt,
            time=answered_at or "",
            version=__version__,
            width=info.width,
            height=info.height,
        )

    def parameters(self) -> str:
        """Return AUTOMATIC1111's form: the prompt, then one line of what is known.

        `Steps: 0` and `Sampler: Undefined` mean "not given": without them readers take the whole
        text for a prompt. The form has no way to quote a prompt, and readers cut it at two places:
        sd-prompt-reader and Civitai end it at the first line that begins with `Steps:`, and all of
        them take what follows `Negative prompt:` for the opposite of a prompt. Such a line gets a
        space before it, so does `{` at the start, which sd-prompt-reader takes for JSON; such words
        get a no-break space between them. The exact prompt stands in `text`.
        """
        prompt = re.sub(r"\r\n?", "\n", self.prompt).replace("\0", " ")
        prompt = re.sub(r"^Steps:|\A\{", r" \g<0>", prompt, flags=re.MULTILINE)
        prompt = prompt.replace("Negative prompt:", "Negative\u00a0prompt:")
        size = self.size.replace("*", "x")
        if self.width and self.height:
            size = f"{self.width}x{self.height}"
        facts = {
            "Steps": 0,
            "Sampler": "Undefined",
            "Seed": self.seed,
            "Size": size,
            "Model": self.model,
            "Version": f"zimage {self.version}",
        }
        line = ", ".join(f"{name}: {value}" for name, value in facts.items() if value is not None)
        return f"{prompt}\n{line}"

    def without_keys(self) -> Recipe:
        """Return it with every key masked: a file goes where its prompt does not."""
        rewritten = self.rewritten_prompt
        return self._replace(
            prompt=without_keys(self.prompt),
            rewritten_prompt=rewritten and without_keys(rewritten),
        )

    def document(self) -> dict[str, object]:
        """Return the object of the `zimage` text."""
        document = self._asdict()
        del document["width"], document["height"]
        return document

    def text(self) -> str:
        """Return that as JSON on one line, with nothing invisible raw."""
        return json_text(self.document())

    def properties(self) -> tuple[Property, ...]:
        """Return what XMP says of the picture."""
        return (
            Property(DESCRIPTION, self.prompt),
            Property(SOURCE_TYPE, _AI_MADE),
            Property(CREATOR_TOOL, f"zimage {self.version}"),
        )

    def xmp(self) -> bytes:
        """Return an XMP packet."""
        return packet(self.properties())

    @classmethod
    def read(cls, text: str) -> Recipe | None:
        """Return the recipe in a `zimage` text of anybody's making, None where there is none.

        Only the prompt must be there. What has a wrong type counts as not told.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None

        def words(name: str) -> str | None:
            value = found.get(name)
            # JSON can spell half of a character, which nothing can write again.
            whole = isinstance(value, str) and not re.search("[\ud800-\udfff]", value)
            return value if whole else None

        prompt, seed, size = words("prompt"), found.get("seed"), words("size") or ""
        if prompt is None:
            return None
        return cls(
            prompt=prompt,
            size=size if re.fullmatch(r"[1-9][0-9]{0,4}\*[1-9][0-9]{0,4}", size) else "",
            seed=seed if type(seed) is int and 0 <= seed < 1 << 31 else None,
            prompt_extend=found.get("prompt_extend") is True,
            model=words("model") or "",
            region=words("region") or "",
            request_id=words("request_id"),
            rewritten_prompt=words("rewritten_prompt"),
            time=words("time") or "",
            version=words("version") or "",
        )
