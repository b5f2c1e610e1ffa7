"""What the README shows runs as printed."""

import re
import shlex
from pathlib import Path

import pytest

from handrail.experiments.schema import only, read

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)
    for kind, text in BLOCKS
    if kind == "sh"
    for line in text.splitlines()
    if line.startswith("handrail ")
]


def test_it_is_a_landing_page():
    assert len(README.splitlines()) <= 150 and len(README.encode()) <= 8_000


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_python_examples_run(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where their runs go
    exec(compile(code, "README.md", "exec"), {})  # our own file
    assert "stopped:" in capsys.readouterr().out


def test_every_command_exists():
    import handrail.cli.commands

    known = {name for name in handrail.cli.commands.app._subcommands}
    assert COMMANDS and {command[1] for command in COMMANDS} <= known


def test_every_link_leads_somewhere():
    root = Path(__file__).parents[1]
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert len(links) > 10
    assert not [link for link in links if not (root / link).exists()]


def test_commands_name_real_experiments_and_budgets():
    for command in COMMANDS:
        if command[1] in ("reproduce", "report") and "/" not in command[2]:  # no folder of runs
            budget = command[command.index("--budget") + 1]
            assert budget in read(command[2]).budgets
            if "--variants" in command:
                labels = command[command.index("--variants") + 1 :]
                assert list(only(read(command[2]), labels).variants) == labels
