"""What holds at every moment of the command: Ctrl-C, and a reader that goes."""

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref

import pytest

from handrail import __main__ as command
from handrail.__main__ import LINE

INTERRUPTED_WHILE_IMPORTING = """
import signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.argv = ["handrail", "list"]
from handrail.__main__ import main
main()
"""


@pytest.fixture
def handlers():
    """The process's own reactions, put back after the test."""
    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before[0])
    sys.unraisablehook = before[1]


def exit_code(monkeypatch, action):
    """How the command ends that does this."""
    monkeypatch.setattr("handrail.cli.commands.main", action)
    with pytest.raises(SystemExit) as caught:
        command.main()
    return caught.value.code


@pytest.mark.parametrize("name", ["handrail.cli.commands", "tyro", "handrail.tasks.registry"])
def test_an_interruption_while_modules_are_imported_is_one_line(name):
    program = INTERRUPTED_WHILE_IMPORTING.format(name=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", f"{LINE}\n")


def pressed():
    signal.raise_signal(signal.SIGINT)


def turned_into_an_import_error():
    try:
        pressed()
    except KeyboardInterrupt:
        raise ImportError("numpy could not be imported") from None


def dropped_by_a_callback():
    """Python drops what a weak reference's callback raises; the command must not go on."""

    class Thing:
        pass

    reference = weakref.ref(thing := Thing(), lambda _: pressed())
    del thing
    gc.collect()
    threading.Event().wait(60)  # until interrupted again
    raise AssertionError(f"went on with {reference}")


def dropped_by_somebody():
    try:
        pressed()
    except KeyboardInterrupt:
        pass


@pytest.mark.parametrize(
    "action",
    [pressed, turned_into_an_import_error, dropped_by_a_callback, dropped_by_somebody],
)
def test_an_interruption_is_one_line_whatever_becomes_of_it(action, handlers, monkeypatch, capsys):
    assert exit_code(monkeypatch, action) == 130
    assert capsys.readouterr().err == f"{LINE}\n"


def test_a_process_that_ignores_interruptions_goes_on(handlers, monkeypatch, capsys):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr("handrail.cli.commands.main", pressed)
    command.main()
    assert capsys.readouterr().err == ""


def test_other_errors_and_exit_codes_pass(handlers, monkeypatch):
    assert exit_code(monkeypatch, lambda: sys.exit(2)) == 2
    monkeypatch.setattr("handrail.cli.commands.main", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        command.main()


@pytest.mark.parametrize("end", [lambda: None, lambda: sys.exit(0)], ids=["returns", "exits"])
@pytest.mark.parametrize("left", [True, False], ids=["some-left", "nothing-left"])
def test_a_reader_that_goes_ends_the_command_without_a_word(
    end, left, handlers, monkeypatch, capsys
):
    reads, writes = os.pipe()
    os.close(reads)

    def action():
        if not left:  # as where more is printed at once than the buffer holds
            os.write(output.fileno(), b"much")
        print("much", file=output)
        end()

    with open(writes, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert exit_code(monkeypatch, action) == 141
        monkeypatch.undo()
    assert capsys.readouterr().err == ""


def test_a_pipe_that_breaks_elsewhere_is_told(handlers, monkeypatch):
    def action():
        raise BrokenPipeError("the pipe of a worker")

    monkeypatch.setattr("handrail.cli.commands.main", action)
    with pytest.raises(BrokenPipeError, match="worker"):
        command.main()
