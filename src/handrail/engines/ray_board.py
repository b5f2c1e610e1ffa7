"""What the workers of a Ray cluster are doing: told through an actor, needed by nobody.

An actor can be lost with its process or its node, or be late. Then followers see less for a
while; tasks and their results do not depend on it.
"""

import contextlib
from collections.abc import Callable
from typing import Any

RESTARTS = 10  # of an actor that was lost, by Ray, on any node
ANSWER_SECONDS = 2.0

Entries = dict[str, dict[str, Any]]


class Board:
    """The actor: workers of all nodes write on it."""

    def __init__(self):
        self._entries: Entries = {}

    def write(self, folder: str, entry: dict[str, Any]) -> None:
        """What the task of this folder is doing."""
        self._entries[folder] = entry

    def read(self) -> Entries:
        """All that has been written, by folder."""
        return self._entries


class Notices:
    """The board, from the side of the process that sends tasks."""

    def __init__(self, ray: Any):
        self._ray = ray
        self.board = ray.remote(num_cpus=0, max_restarts=RESTARTS)(Board).remote()

    def read(self) -> Entries:
        """What the workers have told, by folder; nothing while the board cannot be asked."""
        try:
            return self._ray.get(self.board.read.remote(), timeout=ANSWER_SECONDS)
        except self._ray.exceptions.RayError:
            return {}

    def close(self) -> None:
        """Ends the actor, if it has not gone by itself."""
        with contextlib.suppress(Exception):
            self._ray.kill(self.board)


def teller(board: Any, folder: str) -> Callable[[dict[str, Any]], None]:
    """Tells the board what the task of `folder` is doing, and does not mind if that fails."""

    def tell(entry: dict[str, Any]) -> None:
        with contextlib.suppress(Exception):
            board.write.remote(folder, entry)

    return tell
