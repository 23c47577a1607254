"""How a subscriber of each server speaks, once TLS is there.

Owner: `Subscribers`, which calls it. Always: a speech knows bytes and no measurement; a subscriber has two topics, one of all and
one of its own.
"""

import hashlib
import http.client
import json
import struct
import time
import urllib.parse

from .subjects import Failure

# Every topic has three characters, so that every message has one length.
TOPIC = "all"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def topic_of(number):
    """That of one subscriber alone."""
    return "".join(DIGITS[number // 36 ** place % 36] for place in (2, 1, 0))


PAYLOAD = b"x" * 128


def field(data):
    return struct.pack(">H", len(data)) + data


def mqtt_packet(kind, body):
    length, left = b"", len(body)
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (128 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


def first_packet(unread):
    """Its first byte, its body, and what stands behind it; nothing if it is not whole. MQTT and ours write it alike."""
    length, at = 0, 1
    while at < len(unread):
        digit = unread[at]
        length |= (digit & 127) << 7 * (at - 1)
        at += 1
        if digit < 128:
            return (unread[0], unread[at:at + length], unread[at + length:]) if len(unread) >= at + length else None
    return None


class Speech:
    """What is the same for all but ours."""

    acked = True

    @staticmethod
    def before_tls(sock):
        """What is said in the clear."""

    @staticmethod
    def prepare(connect, count):
        """What has to be there before anybody may log in."""

    @staticmethod
    def publisher(open, number):
        """Who publishes: one more that is logged in."""
        return open(number)


class Mqtt(Speech):
    """MQTT 3.1.1, QoS 1, acked."""

    @staticmethod
    def greet(sock, number):
        client = f"peer{number}".encode()
        sock.sendall(mqtt_packet(0x10, field(b"MQTT") + bytes([4, 2]) + struct.pack(">H", 600) + field(client)))
        read_exactly(sock, 4)

    @staticmethod
    def subscribe(sock, topics):
        wanted = b"".join(field(topic.encode()) + bytes([1]) for topic in topics)
        sock.sendall(mqtt_packet(0x82, struct.pack(">H", 1) + wanted))
        read_exactly(sock, 4 + len(topics))

    @staticmethod
    def publish(sock, topic, number):
        body = field(topic.encode()) + struct.pack(">H", 1 + number % 65_535) + PAYLOAD
        sock.sendall(mqtt_packet(0x32, body))

    @staticmethod
    def parse(unread):
        """Publishes in what came, what to answer, and the rest."""
        count, answer = 0, b""
        while (packet := first_packet(unread)) is not None:
            kind, body, unread = packet
            if kind >> 4 == 3:
                topic = struct.unpack_from(">H", body)[0]
                answer += b"\x40\x02" + body[2 + topic:4 + topic]
                count += 1
        return count, answer, unread


class Redis(Speech):
    """SUBSCRIBE and PUBLISH; nothing is acked."""

    acked = False

    @staticmethod
    def greet(sock, number):
        pass

    @staticmethod
    def subscribe(sock, topics):
        for topic in topics:
            sock.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$3\r\n" + topic.encode() + b"\r\n")
            read_exactly(sock, len(b"*3\r\n$9\r\nsubscribe\r\n$3\r\nall\r\n:1\r\n"))

    @staticmethod
    def publish(sock, topic, number):
        sock.sendall(b"*3\r\n$7\r\nPUBLISH\r\n$3\r\n" + topic.encode() + b"\r\n$128\r\n" + PAYLOAD + b"\r\n")

    @staticmethod
    def parse(unread):
        one = len(b"*3\r\n$7\r\nmessage\r\n$3\r\nall\r\n$128\r\n") + len(PAYLOAD) + 2
        count = len(unread) // one
        return count, b"", unread[count * one:]


class Nats(Speech):
    """SUB and PUB; nothing is acked. TLS begins behind the first line."""

    acked = False

    @staticmethod
    def before_tls(sock):
        while read_exactly(sock, 1) != b"\n":
            pass

    @staticmethod
    def await_pong(sock):
        seen = b""
        while not seen.endswith(b"PONG\r\n"):
            seen += read_exactly(sock, 1)

    @staticmethod
    def greet(sock, number):
        sock.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n')
        Nats.await_pong(sock)

    @staticmethod
    def subscribe(sock, topics):
        for id, topic in enumerate(topics, 1):
            sock.sendall(b"SUB " + topic.encode() + b" %d\r\n" % id)
        sock.sendall(b"PING\r\n")
        Nats.await_pong(sock)

    @staticmethod
    def publish(sock, topic, number):
        sock.sendall(b"PUB " + topic.encode() + b" 128\r\n" + PAYLOAD + b"\r\n")

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


class Ringpost(Speech):
    """Our own, and that of its floors: each topic but the one of all is a device. Third parties push over HTTP."""

    HELLO, WELCOME, PING, PONG, PUSH, ACK, CLOSE = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0d
    SECRET = b"s" * 32
    HEARTBEAT_S = 1800

    def __init__(self, bootstrap):
        self.app, self.http = bootstrap["app"], urllib.parse.urlsplit(bootstrap["http"]).netloc
        self.cids, self.token = {}, ""

    def hello(self, sock, log_in, identity):
        app_id = self.app["appid"].encode()
        body = bytes([0, log_in, len(app_id)]) + app_id + identity + bytes([1, len(self.SECRET)]) + self.SECRET
        body += bytes(1) + bytes(8) + struct.pack(">H", self.HEARTBEAT_S) + bytes([4, 4]) + b"peer"
        sock.sendall(bytes([self.HELLO, len(body)]) + body)
        kind, length = read_exactly(sock, 2)
        welcome = read_exactly(sock, length)
        if kind != self.WELCOME:
            raise Failure(f"a hello was answered with a frame of kind {kind}")
        return welcome[2:18]

    def prepare(self, connect, count):
        for number in range(count):
            sock = connect()
            self.cids[topic_of(number)] = self.hello(sock, False, number.to_bytes(16, "big"))
            sock.sendall(bytes([self.CLOSE, 5]) + bytes(5))
            sock.close()

    def greet(self, sock, number):
        self.hello(sock, True, self.cids[topic_of(number)])

    def subscribe(self, sock, topics):
        """A device is reached by its CID, and with all of its app."""

    def publisher(self, open, number):
        connection = http.client.HTTPConnection(self.http)
        stamp = str(int(time.time() * 1000))
        sign = hashlib.sha256((self.app["appkey"] + stamp + self.app["mastersecret"]).encode()).hexdigest()
        asked = {"sign": sign, "timestamp": stamp, "appkey": self.app["appkey"]}
        self.token = self.call(connection, "/auth", asked, "").get("token", "")
        return connection

    def call(self, connection, path, body, token):
        head = {"content-type": "application/json", "token": token}
        connection.request("POST", f"/v2/{self.app['appid']}{path}", json.dumps(body), head)
        answer = json.loads(connection.getresponse().read())
        if answer["code"] != 0:
            raise Failure(f"{path}: {answer}")
        return answer["data"]

    def publish(self, connection, topic, number):
        audience = "all" if topic == TOPIC else {"cid": [self.cids[topic].hex()]}
        path = "/push/all" if topic == TOPIC else "/push/single/cid"
        message = {"transmission": PAYLOAD.decode()}
        request = {"request_id": f"peers{number:010}", "audience": audience, "push_message": message}
        self.call(connection, path, request, self.token)

    def parse(self, unread):
        ids, answer = [], b""
        while (frame := first_packet(unread)) is not None:
            kind, body, unread = frame
            if kind == self.PUSH:
                ids.append(struct.unpack_from(">Q", body)[0])
            elif kind == self.PING:
                answer += bytes([self.PONG, 0])
            elif kind == self.CLOSE:
                raise Failure(f"a device was closed: {body!r}")
        for id in ids:
            answer += bytes([self.ACK, 8]) + struct.pack(">Q", id)
        return len(ids), answer, unread


def read_exactly(sock, length):
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            raise Failure("the peer closed")
        data += more
    return data
