"""Frames in the words of the golden vectors, as protocol/tests/golden/README.md says."""

from __future__ import annotations

from ringpost_client import commands, frames


def section(frame: frames.Frame) -> list[str]:
    """The lines of one frame, its name in brackets first."""
    lines = [f"[{frame.NAME}]"]
    lines += [f"{key} = {value}" for key, value in _fields(frame)]
    return lines


def _fields(frame: frames.Frame) -> list[tuple[str, object]]:
    if isinstance(frame, frames.Hello):
        return [
            ("minor", frame.minor),
            ("app_id", _text(frame.app_id)),
            ("login" if frame.login else "register", _hex(frame.identity)),
            ("secret", _hex(frame.secret)),
            ("sign", _hex(frame.sign)),
            ("resume", _id(frame.resume)),
            ("heartbeat_s", frame.heartbeat_s),
            ("platform", frame.platform.name.lower()),
            ("sdk_version", _text(frame.sdk_version)),
        ]
    if isinstance(frame, frames.Welcome):
        return [
            ("minor", frame.minor),
            ("registered", _switch(frame.registered)),
            ("cid", _hex(frame.cid)),
            ("generation", frame.generation),
            ("server_time_ms", frame.server_time_ms),
            ("heartbeat_s", frame.heartbeat_s),
            ("heartbeat_min_s", frame.heartbeat_min_s),
            ("heartbeat_max_s", frame.heartbeat_max_s),
            ("window", frame.window),
        ]
    if isinstance(frame, frames.Push):
        return [
            ("message_id", _id(frame.message_id)),
            ("sealed", _switch(frame.sealed)),
            ("body", _hex(frame.body)),
        ]
    if isinstance(frame, frames.Ack):
        return [("ids", _list([_id(one) for one in frame.ids]))]
    if isinstance(frame, frames.Command):
        head: list[tuple[str, object]] = [("serial", frame.serial), ("op", frame.operation.OP)]
        return head + _arguments(frame.operation)
    if isinstance(frame, frames.CommandResult):
        return [
            ("serial", frame.serial),
            ("op", frame.op),
            ("code", frame.code),
            ("detail", _hex(frame.detail)),
        ]
    if isinstance(frame, frames.Upstream):
        return [
            ("upstream_id", _id(frame.upstream_id)),
            ("task_id", _text(frame.task_id)),
            ("body", _hex(frame.body)),
        ]
    if isinstance(frame, frames.UpstreamAck):
        return [("upstream_id", _id(frame.upstream_id)), ("status", frame.status)]
    if isinstance(frame, frames.GoAway):
        return [
            ("reason", frame.reason),
            ("jitter_ms", frame.jitter_ms),
            ("endpoint", _text(frame.endpoint)),
        ]
    if isinstance(frame, frames.Close):
        return [
            ("reason", int(frame.reason)),
            ("retry_after_ms", frame.retry_after_ms),
            ("text", _text(frame.text)),
        ]
    return []


def _arguments(op: commands.Operation) -> list[tuple[str, object]]:
    if isinstance(op, commands.BindAlias):
        return [("alias_type", _text(op.alias_type)), ("alias", _text(op.alias))]
    if isinstance(op, commands.UnbindAlias):
        return [
            ("everywhere", _switch(op.everywhere)),
            ("alias_type", _text(op.alias_type)),
            ("alias", _text(op.alias)),
        ]
    if isinstance(op, commands.SetTags):
        return [("tags", _list([_text(tag) for tag in op.tags]))]
    if isinstance(op, commands.PushSwitch):
        return [("on", _switch(op.on))]
    if isinstance(op, commands.SilentTime):
        return [
            ("begin_hour", op.begin_hour),
            ("hours", op.hours),
            ("zone_min", op.zone_min),
        ]
    if isinstance(op, commands.DeviceInfo):
        return [
            ("brand", _text(op.brand)),
            ("model", _text(op.model)),
            ("os_version", _text(op.os_version)),
            ("package", _text(op.package)),
            ("app_version", _text(op.app_version)),
            ("notifications", op.notifications.name.lower()),
        ]
    if isinstance(op, commands.Badge):
        return [("badge", op.badge)]
    if isinstance(op, commands.VendorToken):
        return [("channel", _text(op.channel)), ("token", _text(op.token))]
    if isinstance(op, commands.Feedback):
        entries = [f"{_id(one.message_id)}:{one.action}:{one.ago_s}" for one in op.reports]
        return [("feedback", _list(entries))]
    return []


def _id(number: int) -> str:
    return f"{number:016x}"


def _hex(value: bytes) -> str:
    return value.hex() or "none"


def _list(values: list[str]) -> str:
    return " ".join(values) or "none"


def _switch(value: bool) -> str:
    return "true" if value else "false"


def _text(value: str) -> str:
    """In double quotes; quotes, backslashes and control characters of ASCII are escaped."""
    out = []
    for character in value:
        if character in '"\\':
            out.append("\\" + character)
        elif ord(character) < 0x20 or ord(character) == 0x7F:
            out.append(f"\\u{ord(character):04x}")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'
