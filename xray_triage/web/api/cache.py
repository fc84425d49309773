"""Answers kept until the next commit, so that programs may poll as fast as they like. Knows no case."""

from collections.abc import Callable, Hashable
from threading import Lock

MOST_ANSWERS = 32


class ResponseCache:
    """What was answered since the last commit. ``version`` gives another value after each."""

    def __init__(self, version: Callable[[], int | str]) -> None:
        self._version = version
        self._answers: dict[Hashable, tuple[int | str, bytes]] = {}
        self._lock = Lock()

    def answer(self, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """The answer to ``question``, made anew when anything was committed since it was made."""
        version = self._version()
        with self._lock:
            known = self._answers.get(question)
        if known is not None and known[0] == version:
            return known[1]
        made = make()  # never older than ``version``, which was looked up before
        with self._lock:
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            self._answers[question] = (version, made)
        return made
