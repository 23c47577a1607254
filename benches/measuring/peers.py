"""Other servers beside ours: memory of an idle TLS subscriber, CPU of a broadcast by message received.

Owner: nobody. Always: the subscribers are this process's, in Python, one after the other through the handshake; only the
server's own memory and CPU are figures. What is not installed is said to be so. Nothing is stored: QoS 1 in memory, and
without acks for Redis and NATS.
"""

import pathlib
import selectors
import shutil
import socket
import ssl
import statistics
import struct
import subprocess
import tempfile
import time

from .subjects import Failure, started
from .table import Row, missing

TOPIC = "all"
PAYLOAD = b"x" * 128
READY_WAIT = 20
RECEIVE_WAIT = 60
SETTLE = 1.5


def field(data):
    return struct.pack(">H", len(data)) + data


def mqtt_packet(kind, body):
    length, left = b"", len(body)
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


class Mqtt:
    """MQTT 3.1.1, QoS 1, acked."""

    acked = True

    @staticmethod
    def greet(sock, number):
        client = f"peer{number}".encode()
        sock.sendall(mqtt_packet(0x10, field(b"MQTT") + bytes([4, 2]) + struct.pack(">H", 600) + field(client)))
        read_exactly(sock, 4)

    @staticmethod
    def subscribe(sock):
        sock.sendall(mqtt_packet(0x82, struct.pack(">H", 1) + field(TOPIC.encode()) + bytes([1])))
        read_exactly(sock, 5)

    @staticmethod
    def publish(sock, number):
        body = field(TOPIC.encode()) + struct.pack(">H", number + 1) + PAYLOAD
        sock.sendall(mqtt_packet(0x32, body))

    @staticmethod
    def parse(unread):
        """Publishes in what came, what to answer, and the rest."""
        count, answer = 0, b""
        while len(unread) >= 2:
            length, shift, at = 0, 0, 1
            while at < len(unread):
                digit = unread[at]
                length |= (digit & 127) << shift
                shift, at = shift + 7, at + 1
                if digit < 128:
                    break
            else:
                break
            if len(unread) < at + length:
                break
            if unread[0] >> 4 == 3:
                topic = struct.unpack_from(">H", unread, at)[0]
                answer += b"\x40\x02" + unread[at + 2 + topic:at + 4 + topic]
                count += 1
            unread = unread[at + length:]
        return count, answer, unread


class Redis:
    """SUBSCRIBE and PUBLISH; nothing is acked."""

    acked = False

    @staticmethod
    def greet(sock, number):
        pass

    @staticmethod
    def subscribe(sock):
        sock.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$3\r\nall\r\n")
        read_exactly(sock, len(b"*3\r\n$9\r\nsubscribe\r\n$3\r\nall\r\n:1\r\n"))

    @staticmethod
    def publish(sock, number):
        sock.sendall(b"*3\r\n$7\r\nPUBLISH\r\n$3\r\nall\r\n$128\r\n" + PAYLOAD + b"\r\n")

    @staticmethod
    def parse(unread):
        one = len(b"*3\r\n$7\r\nmessage\r\n$3\r\nall\r\n$128\r\n") + len(PAYLOAD) + 2
        count = len(unread) // one
        return count, b"", unread[count * one:]


class Nats:
    """SUB and PUB; nothing is acked. TLS begins behind the first line."""

    acked = False

    @staticmethod
    def before_tls(sock):
        while sock.recv(1) != b"\n":
            pass

    @staticmethod
    def await_pong(sock):
        seen = b""
        while not seen.endswith(b"PONG\r\n"):
            seen += sock.recv(4096)

    @staticmethod
    def greet(sock, number):
        sock.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n')
        Nats.await_pong(sock)

    @staticmethod
    def subscribe(sock):
        sock.sendall(b"SUB all 1\r\nPING\r\n")
        Nats.await_pong(sock)

    @staticmethod
    def publish(sock, number):
        sock.sendall(b"PUB all 128\r\n" + PAYLOAD + b"\r\n")

    @staticmethod
    def parse(unread):
        one = len(b"MSG all 1 128\r\n") + len(PAYLOAD) + 2
        count, answer = 0, b""
        while True:
            if unread.startswith(b"PING\r\n"):
                answer, unread = answer + b"PONG\r\n", unread[6:]
            elif unread.startswith(b"MSG") and len(unread) >= one:
                count, unread = count + 1, unread[one:]
            else:
                return count, answer, unread


def read_exactly(sock, length):
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            raise Failure("the peer closed")
        data += more
    return data


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


DEBIAN = {"mosquitto": (mosquitto, Mqtt), "redis-server": (redis, Redis), "nats-server": (nats, Nats)}


def program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


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

    def __init__(self, port, speech, count):
        self.speech = speech
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # A loopback port of our own making.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.context, self.port = context, port
        self.socks = []
        self.selector = selectors.DefaultSelector()
        for number in range(count):
            sock = self.open(number)
            speech.subscribe(sock)
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, [b""])
            self.socks.append(sock)

    def open(self, number):
        plain = socket.create_connection(("127.0.0.1", self.port), 20)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(self.speech, "before_tls"):
            self.speech.before_tls(plain)
        sock = self.context.wrap_socket(plain)
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


def measured(pid, port, speech, count, broadcasts):
    """Bytes of an idle subscriber, and microseconds of a message."""
    before = resident(pid)
    subscribers = Subscribers(port, speech, count)
    try:
        time.sleep(SETTLE)
        each = (resident(pid) - before) / count
        publisher = subscribers.open(count)
        began = cpu_us(pid)
        for number in range(broadcasts):
            speech.publish(publisher, number)
            subscribers.receive(count)
        time.sleep(SETTLE)
        cost = (cpu_us(pid) - began) / (count * broadcasts)
        publisher.close()
        return each, cost
    finally:
        subscribers.close()


def run(name, start, speech, count, broadcasts, certificate):
    with tempfile.TemporaryDirectory(prefix="ringpost-peers-") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        for file, content in certificate.items():
            (folder / file).write_bytes(content)
        port = free_port()
        command = start(folder, port)
        command[0] = program(name)
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
            return measured(process.pid, port, speech, count, broadcasts)
        finally:
            process.terminate()
            process.wait(READY_WAIT)


def certificate_of(loads):
    """That of a floor: of the same kind as ours."""
    with started(loads.programs, "epoll-keys", scratch=loads.scratch) as floor:
        tls = floor.folder / "data" / "tls"
        return {name: (tls / name).read_bytes() for name in ("device.pem", "device.key", "ca.pem")}


def rows(loads, sizes, running):
    """Two rows for each peer. `running`: MQTT servers that run already, by name: (pid, port)."""
    count, broadcasts = sizes["peer_subscribers"], sizes["peer_broadcasts"]
    certificate = certificate_of(loads)
    found = []
    for name, (start, speech) in DEBIAN.items():
        if program(name) is None:
            found.append(missing(f"peer {name}", "not installed", "-", "Debian's package of that name"))
            continue
        found += of(name, speech, lambda: run(name, start, speech, count, broadcasts, certificate), loads.runs, count)
    for name, at in running.items():
        if at is None:
            found.append(missing(f"peer {name}", "not running", "-", f"--{name} PID:PORT of one that has TLS"))
            continue
        found += of(name, Mqtt, lambda: measured(*at, Mqtt, count, broadcasts), loads.runs, count)
    return found


def of(name, speech, once, runs, count):
    try:
        results = [once() for _ in range(runs)]
    except (Failure, OSError) as failure:
        return [missing(f"peer {name}", "failed", "-", str(failure))]
    memory = [each for each, _ in results]
    cost = [cost for _, cost in results]
    acked = "acked" if speech.acked else "not acked"
    return [
        Row(f"peer {name}", f"user memory per idle TLS subscriber, {count:,}", "-", "B", statistics.median(memory),
            runs={name: memory}),
        Row(f"peer {name}", f"CPU per message of a broadcast to {count:,}, {acked}, in memory", "-", "us",
            statistics.median(cost), runs={name: cost}),
    ]
