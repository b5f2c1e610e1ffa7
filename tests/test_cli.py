"""The command line itself: what reaches the commands behind it."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from handrail.cli import sweep as sweep_command
from handrail.cli import train as train_command
from handrail.cli.commands import main
from handrail.core.errors import HandrailError
from handrail.experiments.schema import Portion


@pytest.mark.parametrize(
    "words",
    [
        ("--set", "a=1", "b=2", "c=3"),
        ("--set", "a=1", "--set", "b=2", "--set", "c=3"),
        ("--set", "a=1", "b=2", "--seed", "7", "--set", "c=3"),
    ],
)
def test_no_setting_is_dropped_however_the_flag_is_repeated(words, monkeypatch, tmp_path):
    """With a plain tuple the last flag wins, and the settings before it vanish unsaid."""
    seen = []

    def train_one(settings, *, assignments, **others):
        seen.extend(assignments)
        return {}

    monkeypatch.setattr(train_command, "train_one", train_one)
    monkeypatch.setattr(sys, "argv", ["handrail", "train", *words, "--out", str(tmp_path)])
    main()
    assert seen == ["a=1", "b=2", "c=3"]


def test_nor_is_a_parameter_of_slurm(monkeypatch):
    seen = []

    def sweep(name, portion, *, slurm, **others):
        seen.extend(slurm)
        return Path("report"), []

    monkeypatch.setattr(sweep_command, "sweep", sweep)
    words = ["handrail", "sweep", "lava-returns", "--slurm", "a=1", "--slurm", "b=2"]
    monkeypatch.setattr(sys, "argv", words)
    main()
    assert seen == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("command", "module", "function"),
    [
        ("reproduce", "handrail.cli.reproduce", "reproduce"),
        ("sweep", "handrail.cli.sweep", "sweep"),
        ("report", "handrail.cli.reproduce", "report_only"),
    ],
)
def test_nor_is_a_variant_or_an_environment(command, module, function, monkeypatch):
    seen = []

    def called(name, portion, **others):
        seen.append(portion)
        return Path("report"), []

    monkeypatch.setattr(f"{module}.{function}", called)
    words = ["handrail", command, "sagui-static", "--variants", "scratch", "--variants", "egpo"]
    words += ["--environments", "a", "b", "--seeds", "2"]
    monkeypatch.setattr(sys, "argv", words)
    main()
    assert seen == [Portion("quick", 2, ("scratch", "egpo"), ("a", "b"))]


def test_it_says_its_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["handrail", "--version"])
    main()
    assert capsys.readouterr().out == f"handrail {version('handrail')}\n"


def test_an_error_is_one_line_that_the_terminal_does_not_obey(monkeypatch, capsys):
    def train_one(settings, **others):
        raise HandrailError("\x1b]0;owned\x07[/x]\nsecond line " + "z" * 100_000)

    monkeypatch.setattr(train_command, "train_one", train_one)
    monkeypatch.setattr(sys, "argv", ["handrail", "train"])
    with pytest.raises(SystemExit) as stopped:
        main()
    text = capsys.readouterr().err
    assert stopped.value.code == 2
    assert text.startswith("handrail: \\x1b]0;owned\\x07[/x]\\nsecond line zz")
    assert text.count("\n") == 1 and text.endswith("…\n") and len(text) < 2_100


def test_a_summary_is_not_obeyed_either(monkeypatch, capsys):
    monkeypatch.setattr(train_command, "train_one", lambda settings, **o: {"a\x1b[2J": "\x1b[2J"})
    monkeypatch.setattr(sys, "argv", ["handrail", "train"])
    main()
    assert "\x1b" not in capsys.readouterr().out


def test_without_a_command_it_says_what_there_is(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["handrail"])
    main()
    out = capsys.readouterr().out
    named = {line.split()[1] for line in out.splitlines() if line.startswith("  handrail ")}
    assert {"list", "reproduce", "train", "watch", "evaluate"} <= named
    monkeypatch.setattr("sys.argv", ["handrail", "list"])
    main()
    out = capsys.readouterr().out
    assert out.startswith("handrail train --environment NAME") and "nothing brought along" in out
