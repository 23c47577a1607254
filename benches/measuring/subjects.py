"""The programs that are measured: started on a fresh folder, ended by the handle that started them.

Owner: one `with` block. Always: a subject listens on loopback on free ports, writes a bootstrap.json, and is gone, with its
folder, when the block ends.
"""

import contextlib
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


class Subject:
    """A program that serves."""

    def __init__(self, name, process, folder):
        self.name = name
        self.process = process
        self.folder = folder
        self.bootstrap = folder / "data" / "bootstrap.json"


def command_of(programs, name, folder, options):
    data = ["--data", str(folder / "data")]
    if name in FLOORS:
        return [programs.floor, "serve", *FLOORS[name], *data, *options]
    config = folder / "ringpost.toml"
    config.write_text(CONFIG.format(heartbeat_min_s=5))
    ports = ["--device", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    return [programs.server, "serve", "--config", str(config), "--log", "warn", *ports, *data, *options]


@contextlib.contextmanager
def started(programs, name, options=(), scratch=None):
    """A server ("server") or a floor, ready to be used."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ringpost-targets-", dir=scratch))
    command = command_of(programs, name, folder, list(options))
    log = open(folder / "log", "wb")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _await_ready(process, name, folder)
        yield Subject(name, process, folder)
    finally:
        process.terminate()
        try:
            process.wait(END_WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _await_ready(process, name, folder):
    said, _, _ = select.select([process.stdout], [], [], READY_WAIT)
    line = process.stdout.readline() if said else b""
    if not line.startswith(b"ready"):
        log = (folder / "log").read_text(errors="replace")
        raise Failure(f"{name} did not become ready: {line!r} {log[-500:]}")
