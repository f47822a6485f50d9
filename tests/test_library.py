"""zimage from Python: `from zimage_cli import Client, generate`."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis_server
from noise import noise
from stand_in import Hold, Sandbox

from zimage_cli import Client, Outcome, Picture, errors, generate
from zimage_cli.core.observer import Watcher
from zimage_cli.sandbox.faults import Fault
from zimage_cli.sandbox.server import SandboxServer

KEY = "sk-0123456789abcdef0123456789abcdef"


@pytest.fixture
def server() -> Iterator[Callable[..., SandboxServer]]:
    png = noise(512, 512, 20_000)
    with ExitStack() as running:
        yield lambda **config: running.enter_context(Sandbox(**{"picture_bytes": png, **config}))


@pytest.fixture
def client(server: Any) -> Iterator[Callable[..., Client]]:
    with ExitStack() as opened:

        def build(service: SandboxServer | None = None, **options: Any) -> Client:
            service = service or server()
            defaults = {"api_key": KEY, "base_url": service.api_root, "size": "512*512", "rps": 0}
            return opened.enter_context(Client(**{**defaults, **options}))

        yield build


def test_a_picture(client: Any, work: Path) -> None:
    picture = client().generate("a red fox", seed=7)
    assert isinstance(picture, Picture)
    assert picture.path is not None
    assert picture.path.is_file()
    assert (picture.prompt, picture.seed, picture.size) == ("a red fox", 7, "512*512")
    assert (picture.width, picture.height) == (512, 512)
    assert picture.rewritten_prompt is None
    assert picture.reasoning is None
    assert picture.request_id
    assert picture.cost is None
    assert len(picture.sha256 or "") == 64
    assert picture.image.size == (512, 512)
    assert picture._repr_png_() == picture.path.read_bytes()
    copy = picture.save(work / "copy.png")
    assert copy.read_bytes() == picture.path.read_bytes()
    folder = work / "folder"
    folder.mkdir()
    assert picture.save(folder) == folder / picture.path.name


def test_prompt_extend_and_a_place_of_its_own(client: Any, work: Path) -> None:
    one = client()
    picture = one.generate("a fox", size="512x512", prompt_extend=True, output=work / "fox.png")
    assert picture.path == work / "fox.png"
    assert picture.rewritten_prompt.startswith("a fox")
    assert picture.reasoning


def test_a_place_is_a_text_or_a_path(client: Any, work: Path) -> None:
    one = client()
    (work / "kites").mkdir()
    for place in ("kites", work / "kites"):
        [outcome] = one.run(one.plan_all(["a kite"], output=place, name="kite"))
        assert outcome.take().path.parent.resolve() == work / "kites"
        [outcome] = one.run(one.plan({"prompt": "a kite"}, output=place))
        assert outcome.take().path.parent.resolve() == work / "kites"


def test_a_format_for_all_and_one_of_its_own(client: Any, work: Path) -> None:
    one = client(format="jpg", quality=60, metadata=False)
    picture = one.generate("a lake")
    assert picture.path.suffix == ".jpg"
    assert picture.image.format == "JPEG"
    assert picture.sha256 == hashlib.sha256(picture.path.read_bytes()).hexdigest()
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert one.generate("a lake", output="x.webp").image.format == "WEBP"
    with pytest.raises(errors.UsageError, match="the argument quality is for JPEG and WebP"):
        client(quality=60).generate("a lake")
    with pytest.raises(errors.UsageError, match="is not a format"):
        client(format="gif")


def test_like_an_earlier_picture(client: Any, server: Any, work: Path) -> None:
    service = server()
    one = client(service)
    first = one.generate("a fox", seed=7, prompt_extend=True, output=work / "fox.png")
    again = client(service, size="16:9").generate(like=first.history_id)
    assert (again.seed, again.size, again.prompt_extend) == (7, "512*512", True)
    other = one.generate(like="last", seed="new", prompt_extend=False)
    assert other.seed != 7
    cheap = one.generate(like=1, rewritten=True, seed=8)
    assert (cheap.prompt, cheap.seed, cheap.prompt_extend) == (first.rewritten_prompt, 8, False)
    bodies = [post.body for post in service.books.posts]
    assert bodies[0] == bodies[1]
    with one.history() as book:
        assert [entry.parent for entry in book.newest(4)] == [1, 2, 1, None]
    for wrong in ({"rewritten": True, "prompt": "a fox"}, {"like": 99}, {"like": 2, "seed": -1}):
        with pytest.raises((errors.UsageError, errors.RequestInvalid)):
            one.generate(**wrong)
    with pytest.raises(errors.RequestInvalid, match="No prompt"):
        one.generate()


def test_without_a_key_in_the_sandbox(work: Path) -> None:
    with Client(sandbox=True) as one:
        picture = one.generate("a fox", size="512*512")
    assert picture.region == "sandbox"
    assert picture.image.format == "PNG"
    with pytest.raises(errors.AuthenticationError, match="no API key"):
        generate("a fox")


def test_several_at_once_are_told_as_they_end(client: Any, server: Any) -> None:
    service = server()
    service.script("ok", "DataInspectionFailed", "ok")
    outcomes = list(client(service).run(["a fox", {"prompt": "a kite", "seed": 3}, "a lake"]))
    assert all(isinstance(one, Outcome) for one in outcomes)
    assert sorted(one.status for one in outcomes) == ["refused", "saved", "saved"]
    [refused] = [one for one in outcomes if one.error is not None]
    assert isinstance(refused.error, errors.RefusedError)
    assert refused.billed == "no"
    with pytest.raises(errors.RefusedError):
        refused.take()


def test_what_was_not_asked_for_is_told_too(client: Any, server: Any) -> None:
    service = server()
    service.script("InvalidApiKey")
    one = client(service, rps=2)
    outcomes = list(one.run([f"kite {number}" for number in range(5)]))
    assert {outcome.job.number for outcome in outcomes} == {1, 2, 3, 4, 5}
    statuses = [outcome.status for outcome in outcomes]
    assert statuses.count("failed") >= 1
    assert statuses.count("skipped") == 5 - service.books.post_count


def test_the_errors_are_typed_and_say_what_to_do(client: Any, server: Any) -> None:
    one = client()
    with pytest.raises(errors.RequestInvalid, match="seed"):
        one.generate("a fox", seed=-1)
    with pytest.raises(errors.UsageError, match="no request"):
        list(one.run([]))
    with pytest.raises(errors.UsageError):
        Client(region="nowhere")
    service = server()
    service.script("InvalidApiKey")
    with pytest.raises(errors.AuthenticationError) as caught:
        client(service).generate("a fox")
    assert caught.value.http_status == 401
    assert KEY not in str(caught.value)


def test_an_estimate_sends_nothing() -> None:
    one = Client("beijing", api_key=KEY)
    estimate = one.estimate(["a fox", {"prompt": "a kite", "prompt_extend": True}])
    assert estimate.pictures == 2
    assert str(estimate.cost.amount if estimate.cost else "") == "0.30"


def test_from_many_threads(client: Any, server: Any) -> None:
    service = server()
    service.books.free, service.books.last = 0, 2
    one, made = client(service), list[Picture]()
    threads = [
        threading.Thread(target=lambda n=n: made.append(one.generate(f"kite {n}")))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {picture.prompt for picture in made} == {f"kite {n}" for n in range(6)}
    assert service.books.peak_in_flight > 1


def test_who_leaves_early_leaves_nothing_unsaved(client: Any, server: Any, work: Path) -> None:
    service = server(latency=0.3)
    one = client(service)
    for outcome in one.run([f"kite {n}" for n in range(3)]):
        assert outcome.picture is not None
        break
    one.close()
    saved = list((work / "output").rglob("*.png"))
    assert len(saved) == service.books.billed_count


def test_a_program_that_ends_waits_for_what_is_paid(server: Any, zimage: Any, work: Path) -> None:
    service = server(latency=1.0)
    code = (
        "from zimage_cli import Client\n"
        f"client = Client(api_key={KEY!r}, base_url={service.api_root!r}, size='512*512', rps=0)\n"
        "for _ in client.run(['a', 'b', 'c', 'd']):\n"
        "    break\n"
    )
    service.script(Fault("InvalidParameter", times=1))
    subprocess.run([sys.executable, "-c", code], env=zimage.environment(), cwd=work, check=True)
    assert service.books.billed_count
    assert len(list(work.rglob("*.png"))) == service.books.billed_count


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_while_it_closes_costs_no_picture(server: Any, zimage: Any, work: Path) -> None:
    hold = Hold()
    service = server(log=hold)
    code = (
        "import os, signal, threading\n"
        "from zimage_cli import Client\n"
        "from zimage_cli.core.observer import Observer, Watcher\n"
        f"client = Client(api_key={KEY!r}, base_url={service.api_root!r}, size='512*512', rps=0)\n"
        "sent = threading.Event()\n"
        "class Ear(Watcher, Observer):\n"
        "    started = lambda self, job: self\n"
        "    sent = lambda self: sent.set()\n"
        "client.start(client.plan_all(['a']), Ear())\n"
        "sent.wait()\n"
        "try:\n"
        "    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
        "    client.close()\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
    )
    command, env = [sys.executable, "-c", code], zimage.environment()
    with subprocess.Popen(command, env=env, cwd=work, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"interrupted\n"
        # Until then it waits for the picture: `close` does not end by itself.
        hold.release()
        assert program.wait(60) == 0
    assert service.books.billed_count == 1
    assert len(list(work.rglob("*.png"))) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_child_process_leaves_alone_what_its_parent_opened(
    server: Any, zimage: Any, work: Path
) -> None:
    service = server(latency=1.0)
    code = (
        "import os\n"
        "from zimage_cli import Client, errors\n"
        f"client = Client(api_key={KEY!r}, base_url={service.api_root!r}, size='512*512', rps=0)\n"
        "run = client.start(client.plan_all(['parent']))\n"
        "while not run.unsettled: pass\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        client.generate('child')\n"
        "    except errors.UsageError:\n"
        "        client.close()\n"
        "        os._exit(7)\n"
        "assert os.waitpid(child, 0)[1] == 7 << 8\n"
        "client.close()\n"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=zimage.environment(), cwd=work, check=True, timeout=60)
    assert service.books.billed_count == 1
    assert len(list(work.rglob("*.png"))) == 1


@pytest.mark.parametrize("one", ["a red fox", {"prompt": "a red fox", "seed": 7}])
def test_a_prompt_is_no_list_of_letters(client: Any, server: Any, one: Any) -> None:
    service = server()
    with pytest.raises(TypeError, match="list"):
        client(service).run(one)
    assert service.books.post_count == 0


def test_runs_that_share_a_watcher_have_their_own_outcomes(client: Any) -> None:
    heard: list[str] = []

    class Ear(Watcher):
        def ended(self, outcome: Outcome) -> None:
            heard.append(outcome.request.prompt)

    one, ear = client(), Ear()
    first, second = one.run(["a", "b"], ear), one.run(["c", "d"], ear)
    found = [next(first), next(second), *first, *second]
    assert sorted(outcome.request.prompt for outcome in found) == ["a", "b", "c", "d"]
    assert sorted(heard) == ["a", "b", "c", "d"]


def test_the_key_is_in_no_repr(client: Any) -> None:
    one = client(rps=2)
    picture = one.generate("a fox")
    assert KEY not in repr(one) + repr(vars(one)) + repr(picture) + repr(one.settings)


def test_it_prints_nothing(client: Any, capfd: pytest.CaptureFixture[str]) -> None:
    client().generate("a fox", prompt_extend=True)
    assert capfd.readouterr() == ("", "")


def test_a_closed_client_makes_nothing(client: Any) -> None:
    one = client()
    one.close()
    with pytest.raises(errors.UsageError, match="closed"):
        one.generate("a fox")


@pytest.mark.parametrize("key", ["", "  ", "sk-a b", "sk-ключ", "sk-" + "x" * 10_000])
def test_what_can_be_no_key_is_refused_at_once(key: str) -> None:
    with pytest.raises(errors.AuthenticationError, match="argument api_key"):
        Client(api_key=key, base_url="http://127.0.0.1:9")
    with pytest.raises(errors.AuthenticationError, match="Coding Plan"):
        Client(region="singapore", api_key="sk-sp-0123456789abcdef")


def test_after_a_cancelled_run_a_locked_history_is_waited_for_again(
    client: Any, server: Any
) -> None:
    hold = Hold()
    service, warnings = server(log=hold), list[str]()
    one = client(service, on_warning=warnings.append)
    run = one.start(one.plan_all(["a"]))
    assert service.books.wait_for(lambda books: books.post_count == 1)
    run.cancel()
    with one.history() as book:
        holder = sqlite3.connect(book.path, isolation_level=None, check_same_thread=False)
    unlock = threading.Timer(1.0, holder.execute, ["ROLLBACK"])
    run = one.start(one.plan_all(["b"]))
    assert service.books.wait_for(lambda books: books.post_count == 2)
    holder.execute("BEGIN IMMEDIATE")
    hold.release()
    unlock.start()
    run.join()
    unlock.join()
    holder.close()
    with one.history() as book:
        assert [entry.status for entry in book.newest(2)] == ["saved", "lost"]
    assert not [text for text in warnings if "not complete" in text]


def test_what_it_made_is_in_the_history(client: Any, zimage: Any) -> None:
    picture = client().generate("a fox in the history")
    [entry] = zimage("history", "list", "--json").json["entries"]
    assert entry["id"] == picture.history_id
    assert entry["prompt"] == "a fox in the history"
    assert entry["sha256"] == picture.sha256


def test_an_import_loads_nothing_that_is_heavy() -> None:
    script = "import json, sys, zimage_cli; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    heavy = {"httpx", "PIL", "typer", "rich", "sqlite3", "asyncio"}
    assert not loaded & {*heavy, "zimage_cli.client", "zimage_cli.async_client"}
    script = "import sys; from zimage_cli import Client; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_only_public_names_are_there() -> None:
    import zimage_cli

    assert set(zimage_cli.__all__) == {
        *("AsyncClient", "Client", "Outcome", "Picture", "Observer", "Watcher"),
        *("__version__", "errors", "generate", "inspect"),
    }
    assert all(hasattr(zimage_cli, name) for name in zimage_cli.__all__)
    with pytest.raises(AttributeError):
        zimage_cli.nothing  # noqa: B018


def test_with_the_settings_of_this_machine(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIMAGE_REGION", "sandbox")
    picture = generate("a fox", size="512*512", seed=5)
    assert (picture.region, picture.seed) == ("sandbox", 5)


def test_what_was_paid_and_not_saved_is_recovered(client: Any, server: Any) -> None:
    service = server()
    service.script(Fault("picture-404", count=1))
    one = client(service, retries=0)
    with pytest.raises(errors.NotSavedError) as caught:
        one.generate("a fox")
    assert caught.value.billed == "yes"
    [recovered] = one.recover()
    assert recovered.path is not None
    assert recovered.path.is_file()
    assert service.books.billed_count == 1
    with Client.history() as book:
        assert book is not None
        assert [entry.status for entry in book.newest(5)] == ["saved"]


def test_a_ping_and_a_check_are_free(client: Any, server: Any) -> None:
    service = server()
    [answer] = client(service).ping()
    assert (answer.reachable, answer.key_accepted, answer.model_visible) == (True, True, True)
    assert service.books.post_count == 0
    report = Client.validate()
    assert report.exit_status == 0
    assert {check.name for check in report.checks} >= {"code", "config", "key", "history"}


PURE = """
import sys
from process_state import changes, importing, process_state

from zimage_cli import Client

before = process_state()
# While others import what a command line's start would stand something else in for.
with importing("certifi", "click", "socksio", "idna", "mimetypes", "textwrap") as wrong:
    with Client(base_url=sys.argv[1], api_key=sys.argv[2], size="512*512") as client:
        picture = client.generate("a fox", prompt_extend=True)
        outcomes = list(client.run(["a kite", "a lake", "a hill"]))
assert picture.path.is_file()
assert [outcome.status for outcome in outcomes] == ["saved"] * 3
assert not wrong, wrong
found = changes(before, process_state())
assert not found, found
print("nothing was changed")
"""


def test_the_process_is_left_as_it_was(server: Any, zimage: Any, work: Path) -> None:
    service = server(latency=0.2)
    done = subprocess.run(
        [sys.executable, "-c", PURE, service.api_root, KEY],
        env=zimage.environment(
            {"PYTHONPATH": os.pathsep.join([zimage.env["PYTHONPATH"], str(Path(__file__).parent)])}
        ),
        cwd=work,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.stdout == "nothing was changed\n", done.stderr
    assert done.stderr == ""


def test_who_watches_the_latest_run_hears_what_becomes_of_its_redis(
    client: Any, stack: ExitStack
) -> None:
    class Ear(Watcher):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def warn(self, text: str) -> None:
            self.heard.append(text)

    server = stack.enter_context(redis_server.running())
    one, first, second = client(rps=20, pace_url=server.url), Ear(), Ear()
    assert [outcome.take() for outcome in one.run(["a kite"], first)]
    server.stop()
    assert [outcome.take() for outcome in one.run(["a kite"], second)]
    redis_server.until(lambda: second.heard)
    assert "The run goes on at its own last pace" in second.heard[0]
    assert first.heard == []
