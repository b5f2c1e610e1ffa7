"""The command `handrail`, and `python -m handrail`: what holds at every moment of it.

Ctrl-C is one line and exit code 130, also while modules are imported. A reader that closes the
output early, such as `head`, ends the command without a word. Nothing else is imported up here,
since an interruption before `main` cannot be caught.
"""

import os
import select
import signal
import sys
from types import FrameType
from typing import Any

INTERRUPTED = 128 + signal.SIGINT
NO_READER = 128 + 13  # SIGPIPE, as shells report other commands that it ends
LINE = "handrail: interrupted; repeat the command to go on from here"
AGAIN_SECONDS = 0.01


def main() -> None:
    """Runs the command of `sys.argv`; returns if it succeeded, else exits with its code."""
    interruption = Interruption()
    ended: BaseException | None = None
    try:
        interruption.listen()
        from handrail.cli.commands import main as command

        command()
    except BaseException as error:
        ended = error
    if interruption.happened or isinstance(ended, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one line is enough
        print(LINE, file=sys.stderr)
        sys.exit(INTERRUPTED)
    broken = isinstance(ended, BrokenPipeError)
    if (broken or isinstance(ended, SystemExit | None)) and _closed(sys.stdout, broken=broken):
        sys.exit(NO_READER)
    if ended is not None:
        raise ended


class Interruption:
    """Remembers Ctrl-C even where somebody else's code drops the KeyboardInterrupt."""

    def __init__(self):
        self.happened = False
        self._report = sys.unraisablehook

    def listen(self) -> None:
        """Listens to SIGINT, unless the process was started to ignore it."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            sys.unraisablehook = self._dropped
            signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raises KeyboardInterrupt, or ends the process in the middle of an import.

        Extension modules that are interrupted while they are imported print it, make an
        ImportError of it, or crash.
        """
        self.happened = True
        if not _importing(frame):
            raise KeyboardInterrupt
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar may have hidden it
        os.write(2, f"{show_cursor}{LINE}\n".encode())
        os._exit(INTERRUPTED)

    def _dropped(self, unraisable: Any) -> None:
        """Interrupts again soon, when the code that cannot raise it has been left.

        Python drops what destructors and callbacks of the garbage collector raise.
        """
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._report(unraisable)
            return
        signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported in this frame or in one that called it."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _closed(output: Any, *, broken: bool) -> bool:
    """Whether the reader of this output has gone; what it still holds is then dropped.

    Where a write has failed (`broken`) and left nothing to flush, the pipe itself is asked.
    """
    if output is None:
        return False
    try:
        output.flush()
        if not broken or not _unread(output.fileno()):
            return False
    except BrokenPipeError:
        pass
    except OSError:  # a text in memory has no number
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
    return True


def _unread(number: int) -> bool:
    """Whether nobody can read any more what is written to this file of the process."""
    asked = select.poll()
    asked.register(number, select.POLLOUT)
    return any(event & select.POLLERR for _, event in asked.poll(0))


if __name__ == "__main__":
    main()
