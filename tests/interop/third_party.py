"""The other side of a push: a developer's back end, which calls the server and hears receipts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from typing import Any, NamedTuple

CALL_WAIT_S = 30.0
_TOKEN_IS_OVER = 10001
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Pushed(NamedTuple):
    """The answer to a push to devices that it names."""

    task_id: str
    #: What the server says of each CID.
    words: dict[str, str]


class ThirdParty:
    """Calls the REST API and the admin API with what ``bootstrap.json`` says."""

    def __init__(self, bootstrap: dict[str, Any]) -> None:
        self.app: dict[str, str] = bootstrap["app"]
        self._http: str = bootstrap["http"]
        self._admin: str = bootstrap.get("admin") or bootstrap["http"]
        self._admin_token: str = bootstrap["admin_token"]
        self._token: str | None = None

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The envelope of an answer below ``/v2/{appid}``; a token that is over is had anew."""
        for _ in range(2):
            if self._token is None:
                self._token = self._authenticate()
            url = f"{self._http}/v2/{self.app['appid']}{path}"
            answer = _request(method, url, {"token": self._token}, body)
            if answer.get("code") != _TOKEN_IS_OVER:
                break
            self._token = None
        return answer

    def admin(self, method: str, path: str = "", body: Any = None) -> Any:
        """The envelope of an answer below ``/admin/v1/apps/{appid}``."""
        url = f"{self._admin}/admin/v1/apps/{self.app['appid']}{path}"
        return _request(method, url, {"authorization": f"Bearer {self._admin_token}"}, body)

    def push(self, path: str, audience: Any, message: Any) -> Any:
        """The envelope of the answer to a push."""
        body = {"request_id": uuid.uuid4().hex, "audience": audience, "push_message": message}
        return self.call("POST", path, body)

    def push_to(self, cid: str, message: Any) -> Pushed:
        """Pushes to one CID."""
        return _pushed(self.push("/push/single/cid", {"cid": [cid]}, message))

    def push_to_alias(self, alias: str, message: Any) -> Pushed:
        """Pushes to the devices of an alias."""
        return _pushed(self.push("/push/single/alias", {"alias": [alias]}, message))

    def push_to_tag(self, tag: str, message: Any) -> str:
        """Pushes to those with a tag; gives the task."""
        condition = {"key": "custom_tag", "values": [tag], "opt_type": "or"}
        answer = self.push("/push/tag", {"tag": [condition]}, message)
        return str(answer["data"]["taskid"])

    def _authenticate(self) -> str:
        timestamp = str(time.time_ns() // 1_000_000)
        text = self.app["appkey"] + timestamp + self.app["mastersecret"]
        body = {
            "sign": hashlib.sha256(text.encode()).hexdigest(),
            "timestamp": timestamp,
            "appkey": self.app["appkey"],
        }
        url = f"{self._http}/v2/{self.app['appid']}/auth"
        return str(_request("POST", url, {}, body)["data"]["token"])


def _pushed(answer: Any) -> Pushed:
    if answer.get("code") != 0:
        return Pushed("", {"answer": json.dumps(answer)})
    ((task_id, words),) = answer["data"].items()
    return Pushed(task_id, words)


def _request(method: str, url: str, headers: dict[str, str], body: Any) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **headers})
    request.get_method = lambda: method  # type: ignore[method-assign]
    try:
        with _NO_PROXY.open(request, timeout=CALL_WAIT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


class Receiver:
    """A web server for receipts (docs/webhooks.md), on a free port of loopback."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._events: dict[str, dict[str, Any]] = {}
        self.changed = threading.Condition()
        self.refuses = False
        self.bad_signatures = 0
        self.refused = 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver._take(dict(self.headers), body)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/receipts"

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type, each once."""
        with self.changed:
            return [event for event in self._events.values() if event["type"] == kind]

    def payloads(self) -> list[bytes]:
        """What devices wrote."""
        return [base64.b64decode(event["payload"]) for event in self.events("upstream")]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, headers: dict[str, str], body: bytes) -> int:
        by_name = {name.lower(): value for name, value in headers.items()}
        timestamp = by_name.get("ringpost-timestamp", "")
        signed = timestamp.encode() + b"." + body
        wanted = "sha256=" + hmac.new(self._secret.encode(), signed, hashlib.sha256).hexdigest()
        with self.changed:
            self.changed.notify_all()
            if not hmac.compare_digest(wanted, by_name.get("ringpost-signature", "")):
                self.bad_signatures += 1
                return 403
            if self.refuses:
                self.refused += 1
                return 503
            for event in json.loads(body)["events"]:
                self._events.setdefault(event["id"], event)
            return 204
