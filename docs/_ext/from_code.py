"""Parts of pages that are read from the code: methods, their settings, tasks, experiments.

A page says `{settings} handrail.methods.sagui.settings:StudentRun`, and cannot fall behind.
"""

import dataclasses
import importlib
import math
import typing
from collections.abc import Iterable
from typing import Any, ClassVar

from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from handrail.cli.settings_help import docstrings, settings_of_run
from handrail.envs.navigation.tasks import TASKS
from handrail.envs.safety_gymnasium.tasks import ARENA_TASKS
from handrail.envs.velocity.tasks import VELOCITY_TASKS
from handrail.experiments.schema import names, read
from handrail.methods.sagui.presets import recommended
from handrail.methods.sagui.settings import StudentRun
from handrail.methods.sagui.table import StudentMethod
from handrail.tasks.navigation.problems import task_defaults
from handrail.tasks.registry import FAMILIES

Lines = list[str]
LONGEST = 8  # letters of a number that is shown as it is


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Lines:
    """A table in Markdown."""
    head = list(head)
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    cells = [[cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in rows]
    return [*lines, *(f"| {' | '.join(row)} |" for row in cells)]


def found(path: str) -> Any:
    """The object at `module:name`."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def settings(kind: type, prefix: str = "") -> Iterable[tuple[str, str, str]]:
    """Name, default and meaning of each setting; those of groups with the group's name."""
    texts = docstrings(kind)
    for field in dataclasses.fields(kind):
        default = field.default
        if dataclasses.is_dataclass(default):
            yield from settings(type(default), f"{prefix}{field.name}.")
        else:
            choices = choices_of(typing.get_type_hints(kind)[field.name])
            meaning = texts[field.name] + (f" One of {choices}." if choices else "")
            yield f"`{prefix}{field.name}`", f"`{plain(default)}`", meaning


def choices_of(annotation: Any) -> str:
    """The values of a `Literal`, in words."""
    if typing.get_origin(annotation) is not typing.Literal:
        return ""
    return ", ".join(f"`{value}`" for value in typing.get_args(annotation))


def plain(value: Any) -> str:
    """A default as one writes it after `--set name=`."""
    if isinstance(value, bool) or value is None:
        return str(value).lower().replace("none", "null")
    if isinstance(value, float) and len(str(value)) > LONGEST:
        return f"{value:.4g}"
    if isinstance(value, tuple | list):
        return str(list(value))
    return f"{value:,}".replace(",", "_") if isinstance(value, int) else str(value)


def family_with(method: str, name: str):
    """The family of this name, if it has the method."""
    family = next(family for family in FAMILIES if family.name == name)
    return family, family.methods[method]


class FromCode(SphinxDirective):
    """Writes Markdown that its subclass reads from the code."""

    required_arguments = 1
    final_argument_whitespace = True

    def lines(self) -> Lines:
        raise NotImplementedError

    def run(self):
        self.env.note_reread()  # the code may have changed where the page has not
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=False)


class Settings(FromCode):
    """The settings of a frozen class: name, default, meaning. With `only`, these alone; with
    `prefix`, as settings of a group.
    """

    option_spec: ClassVar = {
        "only": directives.unchanged_required,
        "prefix": directives.unchanged_required,
    }

    def lines(self) -> Lines:
        rows = list(settings(found(self.arguments[0]), self.options.get("prefix", "")))
        only = [f"`{name}`" for name in self.options.get("only", "").split()]
        unknown = set(only) - {name for name, _, _ in rows}
        if unknown:
            raise self.error(f"{self.arguments[0]} has no setting {', '.join(sorted(unknown))}")
        chosen = [row for row in rows if not only or row[0] in only]
        return table(("setting", "default", "meaning"), chosen)


class MethodCard(FromCode):
    """`{method-card} navigation budget-switch`: what the row of the method's table says."""

    def lines(self) -> Lines:
        name, method = self.arguments[0].split()
        family, row = family_with(method, name)
        having = [other.name for other in FAMILIES if method in other.methods]
        facts = {
            "Tasks": ", ".join(having),
            "Brings along": ", ".join(row.needs) or "nothing",
            **said(row),
        }
        environment = family.environments[0]
        command = f"handrail train --environment {environment} --method {method} --out runs/mine"
        return [*table(("", ""), facts.items()), "", "```sh", command, "```"]


class MethodSettings(FromCode):
    """`{method-settings} navigation budget-switch`, and names below: the settings of such a run.

    Each with the default of `handrail train`, in brackets that of the preset `paper`.
    """

    has_content = True

    def lines(self) -> Lines:
        name, method = self.arguments[0].split()
        family, _ = family_with(method, name)
        chosen = {"environment": family.environments[0], "method": method}
        ours = {one.name: one for one in settings_of_run(chosen)}
        paper = {one.name: one for one in settings_of_run({**chosen, "preset": "paper"})}
        names = " ".join(self.content).split()
        if unknown := set(names) - set(ours):
            raise self.error(f"{method} has no setting {', '.join(sorted(unknown))}")
        rows, differ = [], False
        for one in map(ours.__getitem__, names):
            default, published = f"`{plain(one.default)}`", f"`{plain(paper[one.name].default)}`"
            if default != published:
                default, differ = f"{default} ({published})", True
            choices = one.expected.replace("'", "`").replace(" |", ",")
            choices = f" One of {choices}." if "`" in choices else ""
            meaning = one.meaning.rstrip(".")
            rows.append((f"`{one.name}`", default, f"{meaning}.{choices}"))
        intro = (
            f"For `--set NAME=VALUE`. Defaults are those of `handrail train` for "
            f"`{family.environments[0]}`{', in brackets of `--preset paper`' if differ else ''}. "
            "[All settings](/methods/settings.md)."
        )
        return [intro, "", *table(("setting", "default", "meaning"), rows)]


def said(row: Any) -> dict[str, str]:
    """What the row of a method of SaGui says beside, in words."""
    if not isinstance(row, StudentMethod):
        return {}
    memory = "one for each who acts" if row.split_replay else "one for all steps"
    if row.agent is not None:
        memory = "none: each batch of its own steps is learnt from once (on-policy)"
    facts = {"Replay memory (`paper`)": memory}
    if row.has_guide:
        share = f"{recommended(StudentRun(method=row.name)).limit_fraction:.0%}".replace("%", " %")
        facts["The multiplier aims at (`recommended`)"] = f"{share} of the limit"
    if row.guide_interval_share:
        share = f"{row.guide_interval_share:.0%}".replace("%", " %")
        facts["The guide also acts at random times (`recommended`)"] = f"{share} of the steps"
    return facts


class Methods(FromCode):
    """`{methods} navigation`: a table of all methods of a family, each with a link to its page."""

    def lines(self) -> Lines:
        family = next(family for family in FAMILIES if family.name == self.arguments[0])
        rows = [
            (f"[`{name}`](/methods/{name}.md)", row.summary, ", ".join(row.needs) or "–")
            for name, row in family.methods.items()
        ]
        return table(("method", "what it does", "brings along"), rows)


class Experiments(FromCode):
    """`{experiments} lava`: the experiments whose names begin so, with budgets and question."""

    def lines(self) -> Lines:
        chosen = [read(name) for name in names() if name.startswith(self.arguments[0])]
        named = zip([name for name in names() if name.startswith(self.arguments[0])], chosen,
                    strict=True)  # fmt: skip
        rows = [
            (f"`{name}`", experiment.question, ", ".join(experiment.budgets))
            for name, experiment in named
        ]
        return table(("experiment", "question", "budgets"), rows)


class NavigationTasks(FromCode):
    """The navigation tasks: robot, objects, what is observed, limit, networks of the paper."""

    required_arguments = 0

    def lines(self) -> Lines:
        rows = []
        for name, task in TASKS.items():
            defaults = task_defaults(name)
            objects = [f"{task.hazards.count} hazards" if task.hazards.count > 1 else "1 hazard"]
            if task.vases.count:
                objects.append(f"{task.vases.count} vases" if task.vases.count > 1 else "1 vase")
            fixed = "fixed" if task.hazards.at else "drawn at every reset"
            size = sum(math.prod(shape) for shape in task.parts.values())
            rows.append((
                f"`{name}`", task.robot, f"{', '.join(objects)}, {fixed}",
                f"{size}: {', '.join(task.parts)}", f"{task.limit:g}", f"{defaults.steps:,}",
                " × ".join(map(str, defaults.hidden)),
            ))  # fmt: skip
        head = ("task", "robot", "objects", "numbers observed", "limit", "steps", "networks")
        return table(head, rows)


class ArenaTasks(FromCode):
    """Safety-Gymnasium's navigation tasks: objects, what is observed, limit, episodes."""

    required_arguments = 0

    def lines(self) -> Lines:
        rows = []
        for name, task in ARENA_TASKS.items():
            objects = ", ".join(f"{group.count} {group.kind}" for group in task.groups)
            size = sum(math.prod(shape) for shape in task.parts.values())
            rows.append((
                f"`{name}`", objects.replace("push_box", "box"), f"{size}: {', '.join(task.parts)}",
                f"{task.limit:g}", f"{task.episode_length}",
            ))  # fmt: skip
        return table(("task", "objects", "numbers observed", "limit", "steps of an episode"), rows)


class VelocityTasks(FromCode):
    """The velocity tasks: robot, threshold, what speed is."""

    required_arguments = 0

    def lines(self) -> Lines:
        old = "-v0"
        rows = []
        for name, task in VELOCITY_TASKS.items():
            if name.endswith(old):
                continue
            first = VELOCITY_TASKS[name + old]
            speed = {True: "on the plane, √(v_x² + v_y²)", False: "v_x, forwards"}
            kind = speed[task.planar]
            if first.planar != task.planar:
                kind += f"; in `{name}{old}` {speed[first.planar]}"
            rows.append((
                f"`{name}`", f"`{task.robot}-v4`", f"{task.threshold:g}", f"{first.threshold:g}",
                kind, f"{task.limit:g}",
            ))  # fmt: skip
        head = ("task", "robot of Gymnasium", "threshold, m/s", "of `…-v0`", "speed", "limit")
        return table(head, rows)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directives."""
    app.add_directive("settings", Settings)
    app.add_directive("method-card", MethodCard)
    app.add_directive("method-settings", MethodSettings)
    app.add_directive("methods", Methods)
    app.add_directive("experiments", Experiments)
    app.add_directive("navigation-tasks", NavigationTasks)
    app.add_directive("arena-tasks", ArenaTasks)
    app.add_directive("velocity-tasks", VelocityTasks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
