"""The programs that are measured: started on a fresh folder, ended by the handle that started them.

Owner: one `with` block. Always: a subject listens on loopback on free ports, writes a bootstrap.json, and is gone, with its
folder, when the block ends.
"""

import contextlib
import hashlib
import json
import pathlib
import select
import shutil
import subprocess
import tempfile

# Seconds until a subject must be ready, and until it must have ended.
READY_WAIT = 60
END_WAIT = 30

# Name of a floor: how the kernel is asked, how TLS is kept.
FLOORS = {
    "epoll-rustls": ["--by", "epoll", "--tls", "rustls"],
    "epoll-keys": ["--by", "epoll", "--tls", "keys"],
    "ring-rustls": ["--by", "ring", "--tls", "rustls"],
    "ring-keys": ["--by", "ring", "--tls", "keys"],
    "ring-poll-keys": ["--by", "ring-poll", "--tls", "keys"],
}

# Short heartbeats are allowed, so that a short phase holds many.
CONFIG = "[heartbeat]\nmin_s = {heartbeat_min_s}\n"


class Failure(Exception):
    """A measurement that could not be made, in one sentence."""


class Programs:
    """Where the programs are."""

    def __init__(self, folder=None):
        if folder is None:
            self._build()
        else:
            self._find(pathlib.Path(folder))

    def _build(self):
        built = {}
        for words in (
            ["build", "--release", "--bins"],
            ["bench", "--no-run", "--bench", "ringpost-floor", "--bench", "committer", "--bench", "hand_off", "--bench", "million"],
        ):
            command = ["cargo", *words, "--message-format=json"]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise Failure(f"{' '.join(command)}: {done.stderr[-2000:]}")
            for line in done.stdout.splitlines():
                message = json.loads(line)
                if message.get("executable"):
                    built[message["target"]["name"]] = message["executable"]
        self._take(built)

    def _find(self, folder):
        built = {name: folder / name for name in ("ringpost", "ringpost-sim")}
        for name in ("ringpost-floor", "committer", "hand_off", "million"):
            found = [path for path in (folder / "deps").glob(name.replace("-", "_") + "-*") if not path.suffix]
            if not found:
                raise Failure(f"no {name} in {folder / 'deps'}: cargo bench --no-run")
            built[name] = max(found, key=lambda path: path.stat().st_mtime)
        self._take(built)

    def _take(self, built):
        self.server = str(built["ringpost"])
        self.sim = str(built["ringpost-sim"])
        self.floor = str(built["ringpost-floor"])
        self.committer = str(built["committer"])
        self.hand_off = str(built["hand_off"])
        self.million = str(built["million"])

    def sums(self):
        """What was measured, whatever the commit says: SHA-256 of each program."""
        return {name: hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for name, path in vars(self).items()}


class Subject:
    """A program that serves."""

    def __init__(self, name, process, folder):
        self.name = name
        self.process = process
        self.folder = folder
        self.bootstrap = folder / "data" / "bootstrap.json"


def words_of(name, options):
    """How it is started, but for its folder."""
    if name in FLOORS:
        return ["serve", *FLOORS[name], *options]
    return ["serve", "--device", "127.0.0.1:0", "--http", "127.0.0.1:0", *options]


def shown(name, options):
    if name in FLOORS:
        return " ".join(["ringpost-floor", *words_of(name, options)])
    return " ".join(["ringpost", *words_of(name, options), "--config (heartbeat.min_s = 5)"])


def command_of(programs, name, folder, options):
    words = [*words_of(name, options), "--data", str(folder / "data")]
    if name in FLOORS:
        return [programs.floor, *words]
    config = folder / "ringpost.toml"
    config.write_text(CONFIG.format(heartbeat_min_s=5))
    return [programs.server, *words, "--config", str(config)]


@contextlib.contextmanager
def started(programs, name, options=(), scratch=None):
    """A server ("server") or a floor, ready to be used."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ringpost-targets-", dir=scratch))
    try:
        command = command_of(programs, name, folder, list(options))
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
        try:
            _await_ready(process, name, folder)
            yield Subject(name, process, folder)
        finally:
            ended(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ended(process, wait=END_WAIT):
    """Ends a process of ours, in order if it does so within `wait` seconds."""
    process.terminate()
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _await_ready(process, name, folder):
    said, _, _ = select.select([process.stdout], [], [], READY_WAIT)
    line = process.stdout.readline() if said else b""
    if not line.startswith(b"ready"):
        log = (folder / "log").read_text(errors="replace")
        raise Failure(f"{name} did not become ready: {line!r} {log[-500:]}")
