"""What `handrail train --help` says of the settings of a run, from the settings themselves."""

import argparse
import dataclasses
import textwrap
import typing
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import docstring_parser

from handrail.core.arguments import words
from handrail.tasks.registry import family_of, with_defaults

CHOSEN = ("environment", "method", "observation", "knowledge", "preset", "seed", "steps")
"""What the command's own options say."""
GIVEN = "to be given"
"""In place of a default, of what has none."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting by its dotted name, as `--set` takes it."""

    name: str
    default: Any
    """With the chosen method and preset."""
    expected: str
    """Kind and range, in words."""
    meaning: str


def settings_of_run(chosen: dict[str, Any]) -> list[Setting]:
    """All settings of a run, then those of the knowledge that has to be acquired for it.

    `chosen` are the command's options by name (`CHOSEN`); those that are missing or None take the
    defaults of the environment's family. Raises `HandrailError` as the command does.
    """
    family = family_of(chosen["environment"])
    given = with_defaults(chosen, {})
    required = family.required(given["method"])
    row = family.resolve({**required, **given})
    found = [
        dataclasses.replace(one, default=GIVEN) if one.name in required else one
        for one in _settings(row.run, "")
        if one.name not in CHOSEN
    ]
    for kind, settings in row.knowledge.items():
        found += _settings(settings, f"{kind}.")
    return found


def options(line: Sequence[str]) -> dict[str, Any]:
    """The options that choose settings among the words that follow `train`."""
    parser = _Silent(add_help=False, allow_abbrev=False)
    for name in CHOSEN:
        parser.add_argument(f"--{name}", type=int if name in ("seed", "steps") else str)
    parser.set_defaults(environment="LavaCrossingS9N1", seed=123)
    try:
        return vars(parser.parse_known_args(list(line))[0])
    except ValueError:
        return vars(parser.parse_args([]))


def show(chosen: dict[str, Any]) -> None:
    """Prints them: name and default, then what the setting means and may be."""
    from rich.console import Console
    from rich.markup import escape

    found = settings_of_run(chosen)
    named = " ".join(f"--{name} {chosen[name]}" for name in CHOSEN[:5] if chosen.get(name))
    console = Console(highlight=False)
    console.print(
        f"\n[bold]Settings of train {escape(named)}[/bold] (--set NAME=VALUE …; "
        "each with its default; other methods: --method NAME --help)\n"
    )
    for one in found:
        said = f"= {one.default}  ({one.expected})"
        console.print(f"[bold]{escape(one.name)}[/bold] {escape(said)}", soft_wrap=True)
        text = textwrap.fill(one.meaning, max(console.width - 6, 20))
        console.print(escape(textwrap.indent(text, "    ")))


def _settings(settings: Any, prefix: str) -> Iterator[Setting]:
    kind = type(settings)
    hints = typing.get_type_hints(kind, include_extras=True)
    meanings = docstrings(kind)
    for field in dataclasses.fields(settings):
        name, value = f"{prefix}{field.name}", getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from _settings(value, f"{name}.")
            continue
        default = list(value) if isinstance(value, tuple) else value
        meaning = meanings.get(field.name, "").removesuffix(".")
        yield Setting(name, default, words(hints[field.name]), meaning)


def docstrings(kind: type) -> dict[str, str]:
    """The text below each field of a dataclass and of its ancestors, on one line."""
    return {
        field.arg_name: " ".join(field.description.split())
        for one in reversed(kind.__mro__)
        if dataclasses.is_dataclass(one)
        for field in docstring_parser.parse_from_object(one).params
        if field.description
    }


class _Silent(argparse.ArgumentParser):
    """Raises instead of printing: mistakes are the command's to report."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)
