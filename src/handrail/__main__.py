"""The command `handrail`, and `python -m handrail`: what holds at every moment of it.

Ctrl-C is one line and exit code 130, also while modules are imported. A reader that closes the
output early, such as `head`, ends the command without a word. Nothing else is imported up here,
since an interruption before `main` cannot be caught.
"""

import os
import signal
import sys
from types import FrameType
from typing import Any

INTERRUPTED = 128 + signal.SIGINT
NO_READER = 128 + 13  # SIGPIPE, as shells report other commands that it ends
AGAIN_SECONDS = 0.01


def main() -> None:
    """Runs the command of `sys.argv`; returns if it succeeded, else exits with its code."""
    interruption = Interruption()
    ended: BaseException | None = None
    try:
        interruption.listen()
        from handrail.cli import main as command

        command()
    except BaseException as error:
        ended = error
    if interruption.happened or isinstance(ended, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one line is enough
        print("handrail: interrupted; repeat the command to go on from here", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if isinstance(ended, BrokenPipeError | SystemExit | None) and _closed(sys.stdout):
        sys.exit(NO_READER)
    if ended is not None:
        raise ended


class Interruption:
    """Remembers Ctrl-C even where somebody else's code drops the KeyboardInterrupt.

    Extension modules turn it into an ImportError while they are imported; Python reports and
    drops it in destructors and callbacks of the garbage collector.
    """

    def __init__(self):
        self.happened = False

    def listen(self) -> None:
        """Listens to SIGINT, unless the process was started to ignore it."""
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        self._report = sys.unraisablehook
        sys.unraisablehook = self._dropped
        signal.signal(signal.SIGINT, self._raise)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.happened = True
        raise KeyboardInterrupt

    def _dropped(self, unraisable: Any) -> None:
        """Interrupts again soon, when the code that cannot raise it has been left."""
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._report(unraisable)
            return
        signal.signal(signal.SIGALRM, self._raise)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)


def _closed(output: Any) -> bool:
    """Whether the reader of this output has gone; what it still holds is then dropped."""
    if output is None:
        return False
    try:
        output.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        return True
    return False


if __name__ == "__main__":
    main()
