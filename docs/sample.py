"""Make a picture of each prompt of the command line: `python sample.py "a fox" "a kite"`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from zimage_cli import AsyncClient, Outcome, Picture, errors


async def make(prompts: list[str], folder: Path) -> list[Picture]:
    """Return the pictures of prompts; say what became of the others."""
    async with AsyncClient(output_dir=folder, on_warning=print) as client:
        estimate = await client.estimate(prompts)
        price = f"{estimate.cost.currency} {estimate.cost.amount}" if estimate.cost else "no price"
        print(f"{estimate.pictures} pictures: {price}")
        outcomes: list[Outcome] = [outcome async for outcome in client.run(prompts)]
    for outcome in sorted(outcomes, key=lambda one: one.job.number):
        error: errors.ZimageError | None = outcome.error
        if error is not None:
            print(f"{outcome.request.prompt}: {error.message} (billed: {outcome.billed})")
    return [outcome.picture for outcome in outcomes if outcome.picture is not None]


def main() -> int:
    """Run it; the exit status says whether every picture was made."""
    prompts = sys.argv[1:]
    try:
        pictures = asyncio.run(make(prompts, Path("pictures")))
    except errors.ZimageError as error:
        print(error, error.hint or "", file=sys.stderr)
        return 1
    for picture in pictures:
        print(picture.path, picture.seed, picture.cost)
    return 0 if len(pictures) == len(prompts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
