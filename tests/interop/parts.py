"""Tests of the client's parts that need no server: what lasts, what waits, what follows an end.

No network. Run it as a program, or with ``python3 -m unittest parts`` in this folder.
"""

from __future__ import annotations

import pathlib
import random
import stat
import tempfile
import time
import unittest

from desk import Recorder
from ringpost_client.commands import BindAlias, Code, Feedback, QueryTags, SetTags
from ringpost_client.faults import CloseReason, WireError
from ringpost_client.frames import (
    RETRY_NEVER,
    Command,
    CommandResult,
    Frame,
    GoAway,
    Push,
    Upstream,
    UpstreamAck,
    UpstreamStatus,
)
from ringpost_client.inbox import Inbox
from ringpost_client.outbox import Outbox
from ringpost_client.reconnect import Backoff, End, plan
from ringpost_client.silence import Silence
from ringpost_client.state import State

NOON = 1_800_014_400  # A Unix time at 12:00:00 UTC.
NEVER = 1e9


class InFolder(unittest.TestCase):
    """Has a state file of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "device.json"
        self.state = State.open(self.path)
        self.app = Recorder()

    def again(self) -> State:
        """The state as the next start of the device finds it."""
        return State.open(self.path)


class Lasting(InFolder):
    """What is on disk."""

    def test_an_installation_is_made_once(self) -> None:
        again = self.again()
        self.assertEqual(
            (again.install_id, again.secret), (self.state.install_id, self.state.secret)
        )
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_the_secret_is_in_no_log(self) -> None:
        self.assertNotIn(self.state.secret.hex(), repr(self.state))
        self.assertNotIn(repr(self.state.secret), repr(self.state))

    def test_a_forgotten_client_keeps_its_installation(self) -> None:
        self.state.cid, self.state.handled = b"c" * 16, 7
        self.state.forget_client()
        again = self.again()
        self.assertEqual((again.cid, again.handled), (None, 0))
        self.assertEqual(again.install_id, self.state.install_id)


class Messages(InFolder):
    """The inbox."""

    def test_a_message_is_stored_as_handled_before_it_may_be_acked(self) -> None:
        Inbox(self.state, self.app).take(Push(5, b""))
        self.assertEqual(self.again().handled, 5)
        self.assertEqual(self.app.unreadable, [5])

    def test_a_repeat_is_dropped_over_a_restart_of_the_device(self) -> None:
        Inbox(self.state, self.app).take(Push(5, b""))
        Inbox(self.again(), self.app).take(Push(5, b""))
        self.assertEqual((self.app.unreadable, self.app.repeats), ([5], [5]))


class Waiting(InFolder):
    """The outbox."""

    def setUp(self) -> None:
        super().setUp()
        self.outbox = Outbox(self.state, self.app)
        self.outbox.session_began()

    def commands(self) -> list[Command]:
        return [frame for frame in self.outbox.due(NEVER) if isinstance(frame, Command)]

    def upstreams(self, outbox: Outbox) -> list[Frame]:
        return [frame for frame in outbox.due(NEVER) if isinstance(frame, Upstream)]

    def answer(self, command: Command, code: int) -> None:
        self.outbox.take_result(CommandResult(command.serial, command.operation.OP, code))

    def test_commands_about_one_thing_wait_for_each_other(self) -> None:
        self.outbox.command(SetTags(("a",)))
        second = self.outbox.command(QueryTags())
        self.outbox.command(BindAlias("", "bob"))
        tags, alias = self.commands()
        self.assertEqual((tags.operation, alias.operation), (SetTags(("a",)), BindAlias("", "bob")))
        self.assertEqual(self.commands(), [])
        self.answer(tags, Code.OK)
        (query,) = self.commands()
        self.answer(query, Code.OK)
        self.assertEqual(second.result(0).code, Code.OK)

    def test_a_command_without_a_result_goes_with_the_next_session(self) -> None:
        self.outbox.command(QueryTags())
        (first,) = self.commands()
        self.outbox.session_began()
        (second,) = self.commands()
        self.assertEqual(first.operation, second.operation)
        self.assertNotEqual(first.serial, second.serial)

    def test_a_busy_server_is_asked_later(self) -> None:
        future = self.outbox.command(QueryTags())
        (command,) = self.commands()
        self.answer(command, Code.BUSY)
        self.assertFalse(future.done())
        self.assertEqual(len(self.commands()), 1)

    def test_arguments_that_cannot_be_sent_are_refused_at_once(self) -> None:
        with self.assertRaises(WireError):
            self.outbox.command(BindAlias("", ""))

    def test_reports_last_until_they_were_taken(self) -> None:
        self.outbox.report(9, 10000)
        self.assertEqual(len(self.again().reports), 1)
        (command,) = self.commands()
        self.assertIsInstance(command.operation, Feedback)
        self.outbox.report(9, 10010)
        self.assertEqual(self.commands(), [])
        self.answer(command, Code.OK)
        (command,) = self.commands()
        self.answer(command, Code.TOO_FREQUENT)
        self.assertEqual(self.commands(), [])
        self.outbox.session_began()
        (command,) = self.commands()
        self.answer(command, Code.OK)
        self.assertEqual(self.again().reports, [])

    def test_an_upstream_message_lasts_until_its_end(self) -> None:
        upstream_id = self.outbox.message(b"hello", "order-7")
        self.assertEqual(len(self.upstreams(self.outbox)), 1)
        self.outbox.take_upstream_ack(UpstreamAck(upstream_id, UpstreamStatus.STORED))
        self.assertEqual(self.upstreams(self.outbox), [])
        later = Outbox(self.again(), self.app)
        later.session_began()
        self.assertEqual(self.upstreams(later), [Upstream(upstream_id, "order-7", b"hello")])
        later.take_upstream_ack(UpstreamAck(upstream_id, UpstreamStatus.DELIVERED))
        self.assertEqual(self.again().upstreams, [])

    def test_no_more_than_sixteen_upstream_messages_are_unacked(self) -> None:
        ids = [self.outbox.message(b"", "") for _ in range(20)]
        self.assertEqual(len(self.upstreams(self.outbox)), 16)
        self.outbox.take_upstream_ack(UpstreamAck(ids[0], UpstreamStatus.STORED))
        self.assertEqual(len(self.upstreams(self.outbox)), 1)

    def test_a_stored_message_is_not_asked_for_after_a_day(self) -> None:
        upstream_id = self.outbox.message(b"hello", "")
        self.outbox.take_upstream_ack(UpstreamAck(upstream_id, UpstreamStatus.STORED))
        self.state.upstreams[0].at_ms -= 25 * 3600 * 1000
        self.outbox.session_began()
        self.assertEqual(self.upstreams(self.outbox), [])
        self.assertEqual(self.again().upstreams, [])


class AfterAnEnd(unittest.TestCase):
    """Sections 4.7 to 4.9 and 5."""

    def setUp(self) -> None:
        self.chance = random.Random(1)
        self.backoff = Backoff(self.chance)

    def test_the_wait_is_random_and_its_bound_doubles_to_two_minutes(self) -> None:
        for bound in (1, 2, 4, 8, 16, 32, 64, 120, 120):
            self.assertLessEqual(self.backoff.next_s(), bound)
        self.assertGreater(max(self.backoff.next_s() for _ in range(50)), 60)
        self.backoff.reset()
        self.assertLessEqual(self.backoff.next_s(), 1)

    def test_every_reason_has_its_consequence(self) -> None:
        stops = {6, 8, 9, 15, 18, 19}
        for reason in [*CloseReason, 250]:
            with self.subTest(reason):
                came = plan(End(int(reason), 500), self.backoff, self.chance)
                self.assertEqual(came.stop, reason in stops)
                self.assertEqual(came.forget_client, reason == CloseReason.UNKNOWN_CLIENT)
                if not came.stop:
                    self.assertGreaterEqual(came.wait_s, 0.5)

    def test_never_stops_but_for_an_unknown_client(self) -> None:
        self.assertTrue(plan(End(13, RETRY_NEVER), self.backoff, self.chance).stop)
        came = plan(End(7, RETRY_NEVER), self.backoff, self.chance)
        self.assertEqual((came.stop, came.forget_client), (False, True))

    def test_two_processes_with_one_identity_wait_a_minute_or_two(self) -> None:
        came = plan(End(10), self.backoff, self.chance)
        self.assertTrue(60 <= came.wait_s <= 120)

    def test_a_go_away_has_its_own_time_and_place(self) -> None:
        end = End(go_away=GoAway(2, 5000, "push2.example.org:5224"))
        came = plan(end, self.backoff, self.chance)
        self.assertLessEqual(came.wait_s, 5)
        self.assertEqual(came.endpoint, "push2.example.org:5224")


class SilentHours(unittest.TestCase):
    """R-49."""

    def test_the_day_is_that_of_the_zone(self) -> None:
        self.assertEqual(time.gmtime(NOON).tm_hour, 12)
        self.assertEqual(Silence(12, 1, 0).ends_at(NOON), NOON + 3600)
        self.assertIsNone(Silence(11, 1, 0).ends_at(NOON))
        self.assertEqual(Silence(20, 10, 480).ends_at(NOON), NOON + 10 * 3600)
        self.assertEqual(Silence(0, 1, -720).ends_at(NOON), NOON + 3600)

    def test_they_go_on_over_midnight(self) -> None:
        self.assertEqual(Silence(22, 10, 0).ends_at(NOON + 14 * 3600), NOON + 20 * 3600)

    def test_none_hold_for_no_hours(self) -> None:
        self.assertIsNone(Silence(12, 0, 0).ends_at(NOON))

    def test_the_next_begin(self) -> None:
        self.assertEqual(Silence(13, 1, 0).begins_at(NOON), NOON + 3600)
        self.assertEqual(Silence(11, 1, 0).begins_at(NOON), NOON + 23 * 3600)
        self.assertEqual(Silence(12, 1, 0).begins_at(NOON), NOON)


if __name__ == "__main__":
    unittest.main()
