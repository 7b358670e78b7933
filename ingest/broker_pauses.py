"""How long to wait before the next connection to the broker."""

from __future__ import annotations

_LONGEST_PAUSE_S = 15.0
#: Between two attempts after another process took the session: two with one slot must not fight.
_TAKEN_PAUSE_S, _LONGEST_TAKEN_PAUSE_S = 15.0, 300.0
#: Mosquitto closes a session that is taken over without a word: so often, so soon after it was accepted.
#: A broker that is restarted again and again looks the same, so the first pause after a guess is short.
_TAKEN_CLOSES, _TAKEN_WITHIN_S, _GUESSED_PAUSE_S = 3, 10.0, 2.0
_FIRST_PAUSE_S = 0.2


class Pauses:
    """Ever longer pauses, the longest where another process takes our session."""

    def __init__(self) -> None:
        self._pause_s, self._taken_s, self._cuts = _FIRST_PAUSE_S, 0.0, 0

    def count_cut(self, served_s: float | None) -> bool:
        """Count how a connection ended; tell whether it looks as if another process took the session.

        Args:
            served_s: How long it had served when the broker closed it, seconds; None: it ended otherwise.
        """
        self._cuts = self._cuts + 1 if served_s is not None and served_s < _TAKEN_WITHIN_S else 0
        return self._cuts >= _TAKEN_CLOSES

    def begin_anew(self) -> None:
        """Note that a connection was accepted."""
        self._pause_s = _FIRST_PAUSE_S

    def after_takeover(self, *, is_guess: bool) -> float:
        """Return how long to wait after a takeover, seconds."""
        least_s = _GUESSED_PAUSE_S if is_guess else _TAKEN_PAUSE_S
        self._taken_s = min(max(2 * self._taken_s, least_s), _LONGEST_TAKEN_PAUSE_S)
        return self._taken_s

    def after_loss(self, *, is_refused: bool) -> float:
        """Return how long to wait after any other end, seconds."""
        self._taken_s = self._taken_s if is_refused else 0.0
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s
