"""How fast the history is read: whole commands on 172,800 rows, a day at 2 pictures a second.

    python benchmarks/history.py [--rows N] [--runs N]

Every command is timed in turn with a bare interpreter; what is printed are medians, of both and of
their ratios. The search is to take at most 0.25 s on a machine whose interpreter takes 0.025 s.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from startup import BARE, HERE, environment, ratios, seconds

from zimage_cli.core.history.history import History
from zimage_cli.core.history.query import fold_others

ZIMAGE = [sys.executable, "-m", "zimage_cli", "history"]
COMMANDS = (
    ("fox",),
    ("狐狸", "-night"),
    ("nowhere",),
    ("fox", "--since", "2026-06-01", "--status", "saved"),
    ("fox", "--json", "-l", "100"),
    ("list",),
    ("show", "last"),
    ("stats",),
    ("stats", "--by", "month"),
)
WORDS = (
    *("a calm lake", "at dawn", "mist over", "the water", "red kite", "fox in snow", "狐狸 在"),
    *("雪地 里", "watercolor of", "mountains", "山 和 湖", "cinematic light,", "soft focus,"),
    *("35 mm", "film grain,", "golden hour,", "wide angle"),
)


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Yield rows such as a batch leaves, half of them with a rewritten prompt."""
    draw = random.Random(1)
    for number in range(count):
        at = datetime.fromtimestamp(1_780_000_000 + number // 2, UTC)
        saved = draw.random() < 0.95
        status = "saved" if saved else draw.choice(["made", "lost", "failed", "refused"])
        size = {"width": 1024, "height": 1024}
        name = f"/home/me/output/ai-image-zimage-turbo/images/{at:%Y%m%d-%H%M%S}-lake-{number}.png"
        yield {
            "status": status,
            "created_at": at.isoformat(timespec="milliseconds"),
            "pid": 1,
            "updated_at": at.isoformat(timespec="milliseconds"),
            "size": "1024*1024",
            "prompt": " ".join(draw.choices(WORDS, k=draw.randint(2, 20))),
            "seed": number,
            "prompt_extend": number % 2,
            "attempts": 1,
            "answered_at": at.isoformat(),
            **size,
            "region": draw.choice(["beijing", "singapore"]),
            "endpoint": "https://dashscope.aliyuncs.com",
            "request_id": f"{draw.getrandbits(128):032x}",
            "image_url": f"https://dashscope-result.example/1d/{draw.getrandbits(256):064x}.png",
            "rewritten_prompt": " ".join(draw.choices(WORDS, k=30)) if number % 2 else None,
            "usage": json.dumps({**size, "image_count": 1}),
            "wanted_path": name,
            "path": name if saved else None,
            "bytes": 1_400_000 + number if saved else None,
            "sha256": f"{draw.getrandbits(256):064x}" if saved else None,
            "served_sha256": f"{draw.getrandbits(256):064x}" if saved else None,
            "cost_amount": "0.10",
            "cost_currency": "CNY",
            "elapsed_seconds": draw.uniform(2, 9) if saved else None,
        }


def fill(path: Path, count: int) -> None:
    """Write a history, and print how long its rows took to be made ready for the search."""
    book = History(path)
    names = list(next(rows(1)))
    insert = f"INSERT INTO generation ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    book.write(lambda db: db.executemany(insert, (tuple(row.values()) for row in rows(count))))
    began = time.perf_counter()
    fold_others(book)
    took = time.perf_counter() - began
    book.close()
    megabytes = path.stat().st_size / 1e6
    print(f"{count:,} rows, {megabytes:.0f} MB; made ready for the search in {took:.1f} s, once")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=172_800)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        env = {
            **environment(home),
            "ZIMAGE_HOME": home,
            "PYTHONPATH": str(HERE.parent),
            "TZ": "UTC",
        }
        fill(Path(home) / "history.db", options.rows)
        print("start to exit, against a bare interpreter")
        for words in COMMANDS:
            ours, bare, ratio = ratios(
                lambda words=words: seconds([*ZIMAGE, *words], env, home),
                lambda: seconds(BARE, env, home),
                options.runs,
            )
            name = " ".join(("zimage history", *words))
            print(f"  {name:60} {ours * 1000:6.0f} ms {bare * 1000:6.0f} ms {ratio:6.2f} ×")


if __name__ == "__main__":
    main()
