"""What scripts/bench/senders.py measures ours against: how each is installed, started, and how much it can have at a
time. ``peers/`` has the programs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.bench import results
from scripts.bench.service_process import process
from scripts.processes import claim_port

PROGRAMS: Final = Path(__file__).with_name("peers")


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to send."""

    module: str
    worker: str
    """The command; ``{n}``: how many at a time."""
    at_most: int
    """More at a time it can't have: processes and threads take memory and connections."""
    environ: Mapping[str, str]
    setup: str = ""
    """A command before the first start."""
    lock: str = "peers.txt"


_CELERY: Final = "celery --quiet -A celery_sender worker --loglevel ERROR --schedule {folder}/beat"
PEERS_BY_NAME: Final = {
    "Celery": Peer("celery_sender", f"{_CELERY} --concurrency {{n}}", 16, {}),
    "Celery, crawler": Peer("celery_sender", f"{_CELERY} -B --concurrency {{n}}", 16, {"BENCH_CRAWLER": "1"}),
    "Celery, gevent": Peer("celery_sender", f"{_CELERY} --pool gevent --concurrency {{n}}", 200, {}),
    "arq": Peer("arq_sender", "arq arq_sender.Worker", 3_000, {}, lock="peers-arq.txt"),
    "taskiq": Peer(
        "taskiq_sender",
        "taskiq worker taskiq_sender:broker --workers 1 --max-async-tasks {n} --log-level WARNING",
        *(3_000, {}),
    ),
    "dramatiq": Peer("dramatiq_sender", "dramatiq dramatiq_sender --processes 1 --threads {n}", 200, {}),
    "procrastinate": Peer(
        "procrastinate_sender",
        "procrastinate --app procrastinate_sender.app worker --concurrency {n} --delete-jobs always",
        *(3_000, {}, "procrastinate --app procrastinate_sender.app schema --apply"),
    ),
}


def peers_folder(lock: str) -> Path:
    """A virtual environment with what is locked in requirements/; made when there is none for these versions yet."""
    path = results.ROOT / "requirements" / lock
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "mailing-bench" / f"{path.stem}-{digest}"
    if not (folder / "installed").exists():
        print(f"installing requirements/{lock} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r"]
        subprocess.run([*command, str(path)], check=True)
        (folder / "installed").touch()
    return folder


@contextmanager
def redis(folder: Path) -> Iterator[tuple[str, int]]:
    """Start one that keeps nothing on the disk; its address and process."""
    found = shutil.which("redis-server")
    if found is None:
        raise SystemExit("redis-server is missing: apt-get install redis-server")
    port = claim_port("127.0.0.1:0", "redis").rpartition(":")[2]
    command = [found, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with process(command, folder / "redis.log", {}) as started:
        yield f"redis://127.0.0.1:{port}/0", started.pid
