"""What brings the folders of shards together believes no journal: anybody may have written it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zimage_cli.core.batch.merge import Merge
from zimage_cli.core.batch.plan import SALT_NAME
from zimage_cli.core.history.history import History
from zimage_cli.core.run.journal import NAME, Journal
from zimage_cli.core.run.state import States
from zimage_cli.core.status import Status
from zimage_cli.errors import Stopped

KEYS = st.sampled_from([f"{number:032x}" for number in range(3)])
NAMES = ("a.png", "sub/b.png", "../out.png", "sub/../../out.png", "/etc/a.png", "a\0.png", "a.txt")
ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"job": KEYS | ANY, "status": st.sampled_from([*Status, "fresh"]) | ANY},
        optional={
            "file": st.sampled_from(NAMES) | ANY,
            "seed": ANY,
            "history_id": ANY,
            "evidence_path": ANY,
            "sha256": ANY,
            "image_url": ANY,
            "answered_at": ANY | st.just("2100-01-01T00:00:00Z"),
        },
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with closing(History(tmp_path_factory.mktemp("home") / "history.db")) as found:
        yield found


def tree(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@settings(max_examples=60)
@given(records=RECORDS)
def test_any_journal_is_merged_and_nothing_else_is_touched(
    book: History, records: list[dict[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as text:
        top = Path(text)
        shard = top / "shard"
        (shard / "sub").mkdir(parents=True)
        for path in (shard / "a.png", shard / "sub" / "b.png", top / "out.png", shard / "a.txt"):
            path.write_bytes(path.name.encode())
        (shard / NAME).write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")
        before = tree(top)
        for _ in range(2):
            Merge([shard], top / "all", book).run()
            after = tree(top)
            assert {name: after[name] for name in before} == before
            new = {name for name in after if name not in before and not name.endswith(NAME)}
            assert new <= {f"all/{name}" for name in ("a.png", "sub/b.png", "a-2.png", "a-3.png",
                                                      "sub/b-2.png", "sub/b-3.png")}  # fmt: skip
        # What the shard has come to stands there too.
        one, other = (
            States.load(folder, Journal(folder), None, fresh=False)
            for folder in (shard, top / "all")
        )
        taken = {key for key, state in other.items() if state.status is Status.SAVED}
        for key, state in one.items():
            if state.status not in {Status.NEW, Status.SAVED}:
                assert other.of(key).status is state.status
            assert key not in taken or state.status is Status.SAVED


def test_one_that_is_cancelled_takes_nothing_more(tmp_path: Path) -> None:
    shard = tmp_path / "shard"
    shard.mkdir()
    (shard / SALT_NAME).touch()
    (shard / "a.png").touch()
    with closing(Journal(shard)) as journal:
        journal.append({"job": "0" * 32, "status": "saved", "file": "a.png"})
    merge = Merge([shard], tmp_path / "all")
    merge.cancel()
    with pytest.raises(Stopped):
        merge.run()
    assert not [*(tmp_path / "all").glob("*.png")]
