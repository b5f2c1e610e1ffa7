"""What `handrail watch` does: curves of runs in the terminal while they are computed.

On a terminal a picture that is drawn anew; elsewhere a line whenever a table has grown. It ends
by itself when all runs have ended.
"""

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from handrail.core.files import read_json
from handrail.core.plain_text import plain
from handrail.core.records import EPISODES, EVALUATIONS, PROGRESS
from handrail.experiments.schema import flat
from handrail.tracking.tail import Tail
from handrail.tracking.tracker import run_folders

EVERY = 2.0
"""Seconds between two looks."""
RECENT = 20
"""Episodes over which a line takes means."""
HEIGHT = 5
"""Lines of a curve."""
BLOCKS = " ▁▂▃▄▅▆▇█"
CURVES = {
    "return": (EPISODES, "return"),
    "cost": (EPISODES, "cost"),
    "test return": (EVALUATIONS, "target_return"),
    "test cost": (EVALUATIONS, "target_cost"),
}
"""By what they are called: the table and its column. Guides' tests are in `return` and `cost`."""
MOST_POINTS = 100_000
"""Of a curve; of a longer one every other point is forgotten."""


@dataclasses.dataclass
class Watched:
    """A run's folder and what its tables have said so far."""

    folder: Path
    total: int | None = None
    """Steps of the whole run, if it says."""
    step: int = 0
    last: dict[str, float] = dataclasses.field(default_factory=dict)
    """The last row of `progress.csv`."""
    curves: dict[str, list[tuple[float, float]]] = dataclasses.field(default_factory=dict)
    """(step, value) of each."""
    state: str = "going on"

    def __post_init__(self) -> None:
        names = (EPISODES, PROGRESS, EVALUATIONS)
        self._tails = {name: Tail(self.folder / name) for name in names}
        settings = flat(read_json(self.folder / "run.json"))
        steps = settings.get("run.steps", settings.get("steps"))
        self.total = steps if type(steps) is int and steps > 0 else None

    def look(self) -> bool:
        """Reads what is new; whether there was anything."""
        if (self.folder / "diverged.json").exists():
            self.state = "diverged (see diverged.json)"
        if (self.folder / "summary.json").exists():  # before the tables are read to their end
            self.state = "finished"
        new = {name: tail.rows() for name, tail in self._tails.items()}
        for name, (table, column) in CURVES.items():
            points = [(row["step"], row[column]) for row in new[table] if column in row]
            curve = self.curves.setdefault(name, [])
            curve += points
            if len(curve) > MOST_POINTS:
                del curve[::2]
        for row in new[PROGRESS]:
            self.last = row
        ends = [int(rows[-1]["step"]) for rows in new.values() if rows]
        self.step = max([self.step, *ends])
        return any(new.values())

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state != "going on"

    def line(self) -> str:
        """Where it is, in one line."""
        of = "" if self.total is None else f" of {self.total:,}"
        said = [f"{plain(self.folder)}: step {self.step:,}{of}"]
        for name, curve in self.curves.items():
            if curve:
                recent = [value for _, value in curve[-1 if "test" in name else -RECENT :]]
                said.append(f"{name} {sum(recent) / len(recent):.3g}")
        if "cost" in self.last:
            said.append(f"cost in all {self.last['cost']:,.6g}")
        if self.step and "interventions" in self.last:
            share = self.last["interventions"] / max(self.last["step"], 1)
            said.append(f"intervention rate {share:.3g}")
        return ", ".join([*said, *([self.state] if self.ended else [])])


def watch(
    paths: Sequence[Path],
    *,
    console: Console | None = None,
    wait: Callable[[float], None] = time.sleep,
    grown: Callable[[Sequence[Path], bool], None] = lambda folders, ended: None,
) -> None:
    """Shows the runs at or below `paths` until all of them have ended.

    `grown(folders, ended)` is called when tables have grown, and at the end. Raises `HandrailError`
    where there is no run.
    """
    console = console or Console()
    folders = run_folders(paths)
    runs = [Watched(folder) for folder in folders]
    if not console.is_terminal:
        _follow(runs, console, wait, lambda ended: grown(folders, ended))
        return
    with Live(console=console, auto_refresh=False, transient=False) as live:

        def draw(ended: bool) -> None:
            live.update(picture(runs, console.width), refresh=True)
            grown(folders, ended)

        _look(runs, wait, lambda changed, ended: draw(ended))


def _follow(
    runs: Sequence[Watched], console: Console, wait: Callable[[float], None], grown: Any
) -> None:
    said: dict[int, str] = {}

    def tell(changed: Sequence[Watched], ended: bool) -> None:
        for run in changed:
            if said.get(id(run)) != run.line():
                said[id(run)] = run.line()
                console.print(run.line(), markup=False, highlight=False, soft_wrap=True)
        grown(ended)

    _look(runs, wait, tell)


def _look(
    runs: Sequence[Watched],
    wait: Callable[[float], None],
    tell: Callable[[Sequence[Watched], bool], None],
) -> None:
    """Looks again and again, and tells which runs have grown or ended, until all have ended."""
    while True:
        going = [run for run in runs if not run.ended]
        changed = [run for run in going if run.look() or run.ended]
        ended = all(run.ended for run in runs)
        if changed or ended:
            tell(changed, ended)
        if ended:
            return
        wait(EVERY)


def picture(runs: Sequence[Watched], width: int) -> Group:
    """All runs, one below the other: where they are, and their curves."""
    parts: list[Any] = []
    for run in runs:
        parts.append(Text(run.line(), style="bold"))
        shown = {name: curve for name, curve in run.curves.items() if len(curve) > 1}
        if len(runs) > 3:  # no room for curves
            continue
        for name, curve in shown.items():
            values = [value for _, value in curve]
            room = max(width - 24, 10)
            lines = chart(resampled(values, room), HEIGHT if len(runs) == 1 else 2)
            marks = {0: f"{max(values):.4g}", len(lines) - 1: f"{min(values):.4g}"}
            for number, text in enumerate(lines):
                called = name if number == len(lines) // 2 else ""
                parts.append(Text(f"{called:>12} {marks.get(number, ''):>9} {text}"))
    return Group(*parts)


def resampled(values: Sequence[float], width: int) -> list[float]:
    """So many numbers: each the mean of as many neighbours, or fewer values repeated."""
    if len(values) <= width:
        return [values[index * len(values) // width] for index in range(width)]
    ends = [round(index * len(values) / width) for index in range(width + 1)]
    return [sum(values[begin:end]) / (end - begin) for begin, end in itertools.pairwise(ends)]


def chart(values: Sequence[float], height: int) -> list[str]:
    """Lines of text, the highest first: a column a value, from the least to the greatest."""
    low, high = min(values), max(values)
    scale = (8 * height - 1) / (high - low) if high > low else 0.0
    levels = [1 + math.floor((value - low) * scale) for value in values]
    rows: list[str] = []
    for row in reversed(range(height)):
        filled = [min(max(level - 8 * row, 0), 8) for level in levels]
        rows.append("".join(BLOCKS[eighths] for eighths in filled))
    return rows
