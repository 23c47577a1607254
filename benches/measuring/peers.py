"""Other servers beside ours: memory and CPU of a TLS subscriber, CPU of a message to one and to all.

Owner: nobody. Always: the subscribers are this process's, in Python, one after the other through the handshake; only the
server's own memory and CPU are figures. What is not installed is said to be so. Others store nothing: QoS 1 in memory, and
without acks for Redis and NATS; ours is on disk.
"""

import json
import pathlib
import selectors
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import time

from .speeches import TOPIC, Mqtt, Nats, Redis, Ringpost, topic_of
from .subjects import Failure, ended, started
from .table import Row, missing

READY_WAIT = 20
RECEIVE_WAIT = 60
SETTLE = 1.5


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


# What is installed under which name, how it is started on a port, and how it is spoken to.
def mosquitto(folder, port):
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\ncertfile {folder}/device.pem\nkeyfile {folder}/device.key\n"
                      "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\nuser root\n")
    return ["mosquitto", "-c", str(config)]


def redis(folder, port):
    return ["redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--tls-cert-file", f"{folder}/device.pem", "--tls-key-file", f"{folder}/device.key",
            "--tls-ca-cert-file", f"{folder}/ca.pem", "--tls-auth-clients", "no", "--maxclients", "15000"]


def nats(folder, port):
    config = folder / "nats.conf"
    config.write_text(f'host: 127.0.0.1\nport: {port}\n'
                      f'tls {{\ncert_file: "{folder}/device.pem"\nkey_file: "{folder}/device.key"\ntimeout: 20\n}}\n')
    return ["nats-server", "-c", str(config)]


def rumqttd(folder, port):
    config = folder / "rumqttd.toml"
    config.write_text(f"""id = 0
[router]
id = 0
max_connections = 20000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v4.1]
name = "v4"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 0
[v4.1.tls]
capath = "{folder}/ca.pem"
certpath = "{folder}/device.pem"
keypath = "{folder}/device.key"
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
""")
    return ["rumqttd", "-q", "-c", str(config)]


def rmqtt(folder, port):
    config = folder / "rmqtt.toml"
    config.write_text(f"""[node]
id = 1
[rpc]
server_addr = "127.0.0.1:{free_port()}"
[log]
to = "console"
level = "warn"
dir = "{folder}/log"
[plugins]
dir = "{folder}/plugins"
default_startups = []
[listener.tls.external]
enable = true
addr = "127.0.0.1:{port}"
workers = 2
max_connections = 100000
max_handshaking_limit = 20000
handshake_timeout = "60s"
max_packet_size = "1m"
backlog = 4096
idle_timeout = "600s"
allow_anonymous = true
min_keepalive = 0
max_keepalive = 65535
max_inflight = 64
max_mqueue_len = 1000
max_qos_allowed = 2
nodelay = true
cert = "{folder}/device.pem"
key = "{folder}/device.key"
""")
    (folder / "plugins").mkdir()
    return ["rmqttd", "-f", str(config)]


# By the name of the program: how it is started, how it is spoken to, and where it is from.
DEBIAN = "Debian's package of that name"
CRATES = "cargo install --root target/peers {}"
PEERS = {
    "mosquitto": (mosquitto, Mqtt, DEBIAN),
    "redis-server": (redis, Redis, DEBIAN),
    "nats-server": (nats, Nats, DEBIAN),
    "rumqttd": (rumqttd, Mqtt, CRATES.format("rumqttd")),
    "rmqttd": (rmqtt, Mqtt, CRATES.format("--locked rmqttd")),
}


# The least for the same, with TLS as it comes.
FLOOR = "epoll-rustls"


def program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:target/peers/bin")


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise Failure(f"no memory of {pid}")


def cpu_us(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000


class Subscribers:
    """Connected, subscribed, and silent until something is published."""

    def __init__(self, port, speech):
        self.speech = speech
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # A loopback port of our own making.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.context, self.port = context, port
        self.socks = []
        self.selector = selectors.DefaultSelector()

    def log_in(self, count):
        for number in range(count):
            sock = self.open(number)
            self.speech.subscribe(sock, [TOPIC, topic_of(number)])
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, [b""])
            self.socks.append(sock)

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.speech.before_tls(plain)
        return self.context.wrap_socket(plain)

    def open(self, number):
        sock = self.connect()
        self.speech.greet(sock, number)
        return sock

    def receive(self, expected):
        """Takes in, and acks, as many messages."""
        since, came = time.monotonic(), 0
        while came < expected:
            if time.monotonic() - since > RECEIVE_WAIT:
                raise Failure(f"{came} of {expected} messages came")
            for key, _ in self.selector.select(1):
                came += self.take(key)

    def take(self, key):
        try:
            data = key.fileobj.recv(16384)
        except (ssl.SSLWantReadError, BlockingIOError):
            return 0
        if not data:
            raise Failure("the peer closed a subscriber")
        count, answer, key.data[0] = self.speech.parse(key.data[0] + data)
        if answer:
            key.fileobj.sendall(answer)
        return count

    def close(self):
        for sock in self.socks:
            sock.close()
        self.selector.close()


def measured(pid, port, speech, sizes):
    """What it takes, by what it is taken for."""
    count, broadcasts, singles = sizes["peer_subscribers"], sizes["peer_broadcasts"], sizes["peer_singles"]
    memory = resident(pid)
    subscribers = Subscribers(port, speech)
    try:
        speech.prepare(subscribers.connect, count)
        time.sleep(SETTLE)
        began = cpu_us(pid)
        subscribers.log_in(count)
        time.sleep(SETTLE)
        taken = {"memory": (resident(pid) - memory) / count, "login": (cpu_us(pid) - began) / count}
        publisher = speech.publisher(subscribers.open, count)
        began = cpu_us(pid)
        for number in range(broadcasts):
            speech.publish(publisher, TOPIC, number)
            subscribers.receive(count)
        time.sleep(SETTLE)
        taken["broadcast"] = (cpu_us(pid) - began) / (count * broadcasts)
        began = cpu_us(pid)
        for number in range(singles):
            speech.publish(publisher, topic_of(number % count), broadcasts + number)
            subscribers.receive(1)
        time.sleep(SETTLE)
        taken["single"] = (cpu_us(pid) - began) / singles
        publisher.close()
        return taken
    finally:
        subscribers.close()


def run(name, start, speech, sizes, certificate):
    with tempfile.TemporaryDirectory(prefix="ringpost-peers-", ignore_cleanup_errors=True) as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        for file, content in certificate.items():
            (folder / file).write_bytes(content)
        port = free_port()
        command = start(folder, port)
        command[0] = str(pathlib.Path(program(name)).absolute())
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            since = time.monotonic()
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() - since > READY_WAIT:
                        said = (folder / "log").read_text(errors="replace")
                        raise Failure(f"{name} did not start: {said[-300:]}") from None
                    time.sleep(0.1)
            time.sleep(SETTLE)
            return measured(process.pid, port, speech, sizes)
        finally:
            ended(process)


def run_ours(name, loads, sizes):
    """The server or a floor under what others get."""
    with started(loads.programs, name, scratch=loads.scratch) as subject:
        bootstrap = json.loads(subject.bootstrap.read_text())
        port = int(bootstrap["device"].rsplit(":", 1)[1])
        time.sleep(SETTLE)
        return measured(subject.process.pid, port, Ringpost(bootstrap), sizes)


def certificate_of(loads):
    """That of a floor: of the same kind as ours."""
    with started(loads.programs, "epoll-keys", scratch=loads.scratch) as floor:
        tls = floor.folder / "data" / "tls"
        return {name: (tls / name).read_bytes() for name in ("device.pem", "device.key", "ca.pem")}


def tried(runs, run):
    """What each run gave, and why those failed that did."""
    results, failures = [], []
    for _ in range(runs):
        try:
            results.append(run())
        except (Failure, OSError) as failure:
            failures.append(str(failure))
    return results, failures


def rows(loads, sizes, wanted):
    """The rows of each peer, and of ours under the same load from the same client."""
    least, failures = tried(loads.runs, lambda: run_ours(FLOOR, loads, sizes))
    if not least:
        yield missing(f"peer {FLOOR}", "failed", "-", failures[-1])
    subjects = [("ringpost", "acked, on disk before it is answered", lambda: run_ours("server", loads, sizes))]
    certificate = certificate_of(loads)
    for name, (start, speech, source) in PEERS.items():
        if program(name) is None:
            yield missing(f"peer {name}", "not installed", "-", source)
            continue
        kept = "acked, in memory" if speech.acked else "not acked, in memory"
        subjects.append((name, kept, lambda start=start, name=name, speech=speech: run(name, start, speech, sizes, certificate)))
    for name, kept, measure in subjects:
        results, failures = tried(loads.runs, measure)
        if not results:
            yield missing(f"peer {name}", "failed", "-", failures[-1])
            continue
        for row in of(name, kept, sizes, results, least):
            row.notes.extend(f"a run failed: {why}" for why in failures)
            yield row


def of(name, kept, sizes, results, least):
    count = sizes["peer_subscribers"]
    for what, unit, sentence in (
        ("memory", "B", f"user memory per idle TLS subscriber, {count:,}"),
        ("login", "us", "CPU per full login with its subscriptions, one after the other"),
        ("broadcast", "us", f"CPU per message of a broadcast to {count:,}, {kept}"),
        ("single", "us", f"CPU per message to one, one after the other, {kept}"),
    ):
        given, floors = [result[what] for result in results], [result[what] for result in least]
        row = Row(f"peer {name}", sentence, "-", unit, statistics.median(given), runs={name: given, FLOOR: floors})
        if floors:
            row.floor = statistics.median(floors)
            row.ratio = row.figure / row.floor
        yield row
