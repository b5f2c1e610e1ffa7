"""Every command on the pages exists, with its options, and names what there is."""

import inspect

import pytest
import tyro

from handrail.cli.commands import app
from handrail.experiments.schema import names, only, read
from tests.docs.pages import TODAY, commands

COMMANDS = {
    f"{page}: {' '.join(words)}": words for page, text in TODAY.items() for words in commands(text)
}


def parsed(words: list[str]) -> dict:
    """What the command would be called with; it is not called."""
    command = app._subcommands[words[1]].target

    def stub(**settings):
        return settings

    stub.__signature__ = inspect.signature(command)
    stub.__annotations__ = command.__annotations__
    stub.__doc__ = command.__doc__
    return tyro.cli(stub, args=words[2:])


def test_there_are_many():
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_understood(command):
    settings = parsed(COMMANDS[command])
    said = settings.get("name") or next(iter(settings.get("names", ())), "")
    if COMMANDS[command][1] in ("reproduce", "sweep"):
        assert said in names()
    if said in names():
        experiment = read(said)
        assert settings["budget"] in experiment.budgets
        labels = [label for group in settings["variants"] for label in group]
        assert list(only(experiment, labels).variants) == labels or not labels


def test_an_option_that_does_not_exist_is_found():
    with pytest.raises(SystemExit):
        parsed(["handrail", "train", "--no-such-option", "1"])
