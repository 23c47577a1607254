"""Messages on their way to the app: each once, whatever the connections do (section 4.3)."""

from __future__ import annotations

import logging

from .app import App
from .frames import Push
from .push_body import Unreadable, read_message
from .state import State

_log = logging.getLogger(__name__)


class Inbox:
    """Drops repeats, by the highest id that was handled.

    That is enough because pushes come in rising order (R-22) and are handled in that order.
    """

    def __init__(self, state: State, app: App) -> None:
        self._state = state
        self._app = app

    def take(self, push: Push) -> None:
        """Handles a push. When this returns, it may be acked: what was done is on disk (R-24)."""
        if push.message_id <= self._state.handled:
            self._app.on_repeat(push.message_id)
            return
        try:
            self._give(push)
        finally:
            with self._state.lock:
                self._state.handled = push.message_id
                self._state.save()

    def _give(self, push: Push) -> None:
        try:
            message = read_message(push)
        except Unreadable as why:
            self._app.on_unreadable(push.message_id, str(why))
            return
        try:
            self._app.on_message(message)
        except Exception:  # The app's mistake must not make the message come for ever.
            _log.exception("the app failed to take message %016x", push.message_id)
