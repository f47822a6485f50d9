"""docs/scale: the files do what the page says. Their commands are run, against the sandbox."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from gate import Gate
from noise import noise
from redis_server import RedisServer
from stand_in import Sandbox, Server

from zimage_cli.core.making.pace.rule import MARGIN

yaml = pytest.importorskip("yaml")

if sys.platform != "linux":
    pytest.skip("Linux's shells, and its kernel's clock", allow_module_level=True)

SOURCE = Path(__file__).resolve().parent.parent
FOLDER = SOURCE / "docs" / "scale"
KEY = "sk-0123456789abcdef0123456789abcdef"
RPS = 20
KITES = sorted(f"kite {number}" for number in range(21))
ALL = ("--merge", "shard1", "shard2", "shard3", "--output", "all")
_accounts = count()

Words = list[str]


@pytest.fixture
def server() -> Iterator[Server]:
    with Sandbox(picture_bytes=noise(512, 512, 20_000)) as running:
        yield running


@pytest.fixture
def gate(server: Server) -> Iterator[Gate]:
    found = Gate(server.port, KEY)
    yield found
    found.close()


class Machine:
    """A folder with the prompts, `zimage` on the PATH, a key in a file, and a Redis to share."""

    def __init__(self, zimage: Any, work: Path, gate: Gate, redis: RedisServer) -> None:
        self.work = work
        (work / "prompts.txt").write_text("".join(f"{kite}\n" for kite in KITES), "utf-8")
        self.limit(RPS)
        self.key = work / "key"
        self.key.write_text(f"{KEY}\n", "utf-8")
        command = work / "bin" / "zimage"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {shlex.join(zimage.command)} "$@"\n', "utf-8")
        command.chmod(0o755)
        self.redis = redis
        self.pace = {"ZIMAGE_PACE_URL": redis.url, "ZIMAGE_PACE_ACCOUNT": f"s{next(_accounts)}"}
        self.env = zimage.environment(
            {
                "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
                "DASHSCOPE_BASE_URL": gate.env["DASHSCOPE_BASE_URL"],
                "DASHSCOPE_API_KEY_FILE_PATH": str(self.key),
                **self.pace,
            }
        )

    def limit(self, rps: int) -> None:
        """Write the settings of three workers: so many requests a second, of small pictures."""
        for number in (1, 2, 3):
            config = self.work / f"home{number}" / "config.toml"
            config.parent.mkdir(exist_ok=True)
            config.write_text(f'rps = {rps}\nsize = "512*512"\n', "utf-8")

    def start(self, words: Words, given: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a command with what a file gives it; only /data, key and Redis are elsewhere."""
        env = {name: text.replace("/data", str(self.work)) for name, text in given.items()}
        ours = {"DASHSCOPE_API_KEY_FILE_PATH": str(self.key), **self.pace}
        env |= {name: ours[name] for name in ours if name in given}
        return subprocess.Popen(
            words, cwd=self.work, env={**self.env, **env}, stdout=subprocess.DEVNULL
        )

    def took_turns(self) -> bool:
        """Tell whether the Redis has given turns to this account."""
        name = f"zimage:pace:{self.pace['ZIMAGE_PACE_ACCOUNT']}"
        return bool(self.redis.client().exists(name))

    def run(self, words: Words, **given: str) -> None:
        assert self.start(words, given).wait(120) == 0


@pytest.fixture
def machine(zimage: Any, work: Path, gate: Gate, redis: RedisServer) -> Machine:
    return Machine(zimage, work, gate, redis)


def check(machine: Machine, server: Server, zimage: Any) -> None:
    """Every line was made once, by three workers that share a Redis; together they are whole."""
    work = machine.work
    assert machine.took_turns()
    assert sorted(bill.prompt for bill in server.books.billed) == KITES
    homes = {path.name for path in work.iterdir() if (path / "history.db").is_file()}
    assert homes == {"home1", "home2", "home3"}
    zimage("batch", "prompts.txt", *ALL, "--size", "512*512")
    journal = (work / "all" / "results.jsonl").read_text("utf-8").splitlines()
    assert len([json.loads(line) for line in journal]) == len(KITES)


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def test_the_workers_of_compose_make_every_line_once_at_the_limit(
    machine: Machine, gate: Gate, server: Server, zimage: Any
) -> None:
    [compose] = documents("compose.yaml")
    assert {*compose["services"]} == {"redis", "worker-1", "worker-2", "worker-3"}
    machine.limit(4)
    workers = []
    for number in (1, 2, 3):
        worker = compose["services"][f"worker-{number}"]
        assert worker["volumes"] == ["./data:/data"]
        [secret] = worker["secrets"]
        assert worker["environment"]["DASHSCOPE_API_KEY_FILE_PATH"] == f"/run/secrets/{secret}"
        assert compose["secrets"][secret] == {"file": f"./{secret}"}
        assert (FOLDER / worker["build"] / "Dockerfile").is_file()
        workers.append(machine.start(["zimage", *worker["command"]], worker["environment"]))
    assert [worker.wait(120) for worker in workers] == [0, 0, 0]
    # No second had more than the limit. On a busy machine turns are late, so the best stretch of
    # four says what they use of it: one that takes twice as long would be half of it.
    assert gate.most_in(1.0) <= 4
    assert gate.shortest(4) < 1.5 * (1 + MARGIN)
    check(machine, server, zimage)


def test_the_indexes_of_the_job(machine: Machine, server: Server, zimage: Any) -> None:
    job = next(one for one in documents("job.yaml") if one["kind"] == "Job")["spec"]
    [worker] = job["template"]["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in worker["env"]}
    mounts = {one["mountPath"]: one["name"] for one in worker["volumeMounts"]}
    assert str(Path(environment["DASHSCOPE_API_KEY_FILE_PATH"]).parent) in mounts
    assert worker["workingDir"] in mounts
    assert {one["name"] for one in job["template"]["spec"]["volumes"]} == {*mounts.values()}
    disrupted, ended = job["podFailurePolicy"]["rules"]
    assert disrupted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert ended["onExitCodes"]["containerName"] == worker["name"]
    for index in range(job["completions"]):
        # Kubernetes would put its own in place of $(NAME).
        assert not re.search(r"\$\(\w+\)", worker["args"][0])
        machine.run(
            [*worker["command"], *worker["args"]], JOB_COMPLETION_INDEX=str(index), **environment
        )
    check(machine, server, zimage)


def test_the_redis_of_the_job_is_where_the_workers_look() -> None:
    deployment, service, job = documents("job.yaml")
    [worker] = job["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in worker["env"]}
    [port] = service["spec"]["ports"]
    assert environment["ZIMAGE_PACE_URL"] == f"redis://{service['metadata']['name']}:{port['port']}"
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_the_tasks_of_slurm(machine: Machine, server: Server, zimage: Any) -> None:
    script = FOLDER / "array.sbatch"
    options = re.findall(r"^#SBATCH --(\S+?)(?:=(\S+))?$", script.read_text("utf-8"), re.MULTILINE)
    first, last = map(int, dict(options)["array"].split("-"))
    # Slurm reads no option behind the first command.
    code = [line for line in script.read_text("utf-8").splitlines() if line and line[0] != "#"]
    assert script.read_text("utf-8").rindex("#SBATCH") < script.read_text("utf-8").index(code[0])
    for task in range(first, last + 1):
        count = str(last - first + 1)
        machine.run(
            ["bash", str(script)], SLURM_ARRAY_TASK_ID=str(task), SLURM_ARRAY_TASK_COUNT=count
        )
    check(machine, server, zimage)


@pytest.mark.skipif(not shutil.which("parallel"), reason="GNU parallel is missing")
def test_the_nodes_of_parallel(machine: Machine, server: Server, zimage: Any) -> None:
    (machine.work / "nodes").write_text(":\n:\n:\n", "utf-8")
    machine.run(["sh", str(FOLDER / "nodes.sh")])
    check(machine, server, zimage)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is missing")
@pytest.mark.parametrize("name", ["array.sbatch", "nodes.sh"])
def test_the_scripts_are_plain(name: str) -> None:
    done = subprocess.run(
        ["shellcheck", FOLDER / name], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


# -- the image ---------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each with what it is given."""
    text = (SOURCE / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_is_small_and_nobody_s_root() -> None:
    found = instructions()
    bases = [rest.split()[0] for word, rest in found if word == "FROM"]
    assert bases == ["python:3.12-slim"] * 2
    assert [rest for word, rest in found if word == "USER"] == ["1000:1000"]
    assert found[-1] == ("ENTRYPOINT", '["zimage"]')
    assert dict(found)["WORKDIR"] == dict(found)["VOLUME"] == "/data"


def test_no_key_can_get_into_a_layer() -> None:
    found = instructions()
    copied = [rest.split()[:-1] for word, rest in found if word == "COPY" and rest[0] != "-"]
    names = [name for some in copied for name in some]
    # By name, and never the folder as it is.
    assert names == ["pyproject.toml", "README.md", "LICENSE", "completions", "zimage_cli"]
    assert all((SOURCE / name).exists() for name in names)
    assert {word for word, _ in found} <= {
        *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "ENTRYPOINT")
    }
    assert not re.search("key|secret|token", " ".join(rest for _, rest in found), re.IGNORECASE)


# -- what happens ------------------------------------------------------------------------------

BATCH, MACHINES = "tests/cli/batch/", "tests/cli/test_machines.py::"
PACE = "tests/core/making/test_pace_redis.py::"
TESTED = {
    "a worker is killed, its machine starts again": (
        f"{BATCH}test_survival.py::test_every_line_is_made_once_however_often_it_is_killed"
    ),
    "a machine is gone, its disk is not": (
        f"{BATCH}test_merge.py::test_another_machine_takes_over_with_both_folders"
    ),
    "a machine is gone with its disk": (
        f"{BATCH}test_merge.py::test_what_is_missing_is_named_and_made_by_the_command_that_is_shown"
    ),
    "the service cannot be reached for minutes": (
        f"{BATCH}test_outage.py::test_it_waits_until_the_service_is_back_and_nothing_fails"
    ),
    "the Redis cannot be reached at the start": (
        f"{MACHINES}test_a_batch_begins_only_where_turns_can_be_taken"
    ),
    "the Redis goes away in mid-run": (
        f"{MACHINES}test_a_batch_goes_on_without_its_redis_and_comes_back"
    ),
    "the Redis starts again, empty": (
        f"{PACE}test_after_a_hash_was_lost_nobody_sends_who_may_have_sent_just_before"
    ),
    "a worker dies while it is its turn": (
        f"{PACE}test_who_was_killed_with_a_turn_is_waited_for_two_seconds_and_no_longer"
    ),
    "a machine's clock is wrong": (
        f"{MACHINES}test_whose_clock_is_an_hour_off_keeps_the_limit_too"
    ),
    "two workers are given one folder": (
        f"{BATCH}test_merge.py::test_another_shard_in_a_folder_is_refused_before_it_is_paid"
    ),
    "the disk is full": f"{BATCH}test_full_disk.py::test_a_full_folder_costs_nothing_twice",
}


def test_each_line_of_what_happens_has_a_test() -> None:
    page = (SOURCE / "docs" / "scale.md").read_text("utf-8")
    table = page.partition("## When something goes away")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if "| " in line]
    assert rows[1:] == [*TESTED]
    for place in TESTED.values():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (SOURCE / file).read_text("utf-8"), place
