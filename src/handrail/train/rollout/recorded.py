"""A recorded episode: what was seen, proposed and done at every step, as compact JSON.

An episode of n steps has columns, arrays whose first axis is the step. Names say what they are:

- `reward`, `cost`, `intervened`, `proposed`, `action`: of each step; discrete actions by number;
- `harm`: 1 where the proposed action would have cost something at once, where that is known;
- `evidence/NAME`: what triggers looked at; `seen/NAME`: parts of the observation;
- `state/NAME`: what a picture is drawn from; n + 1 rows, since the last step leads to one more.

A file holds numbers as whole multiples of a scale: four digits of a column's largest number, three
of an observation's. Files are data of unknown origin: `read_episode` keeps what makes sense, and
says in words what does not.
"""

import base64
import binascii
import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np

from handrail.core.errors import HandrailError
from handrail.core.files import read_json, write_text
from handrail.interventions.base import Threshold

FILE = "episodes.json"
FORMAT = 1
STEP_COLUMNS = ("reward", "cost", "intervened", "proposed", "action", "harm")
MOST_STEPS, MOST_NUMBERS, MOST_COLUMNS = 100_000, 4_000_000, 100
_NAME = re.compile(r"(evidence|seen|state)/.{1,80}", re.DOTALL)
_WEBP = re.compile(rb"RIFF....WEBP", re.DOTALL)
_DIGITS = {"seen": 2}  # after the first one
_FIRES = get_args(get_type_hints(Threshold)["fires"])


@dataclasses.dataclass(frozen=True)
class RecordedEpisode:
    """One episode; see the module."""

    kind: str
    """How it is drawn: `lava`, `navigation`, `frames` (pictures of its own) or `plain`."""
    environment: str
    number: int
    """Which of the recording it is, from 0."""
    columns: Mapping[str, np.ndarray]
    method: str = ""
    seed: int = 0
    """Of the recording; episodes of one seed and number begin alike."""
    shielded: bool = False
    """Whether the intervention of the method acted."""
    scene: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What does not move, in JSON."""
    thresholds: tuple[Threshold, ...] = ()
    actions: tuple[str, ...] = ()
    """Names of discrete actions, in their order."""
    acts: str = ""
    """What acts where the intervention steps in, in words."""
    outcome: str = ""
    frames: tuple[bytes, ...] = ()
    """Pictures (WebP) of the states 0, `every`, 2 · `every`, …"""
    every: int = 1
    missing: tuple[str, ...] = ()
    """What the file should have held and did not, in words."""

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.columns["intervened"])

    def next_stops(self) -> list[int]:
        """The steps at which an intervention begins; where harm is known, every intervened one."""
        acted = np.asarray(self.columns["intervened"]) > 0
        if "harm" not in self.columns:
            acted = acted & ~np.concatenate([[False], acted[:-1]])
        return np.flatnonzero(acted).tolist()

    def cost_stops(self) -> list[int]:
        """The steps that cost something."""
        return np.flatnonzero(np.nan_to_num(self.columns.get("cost", np.zeros(0))) > 0).tolist()

    def cut(self, steps: int) -> "RecordedEpisode":
        """Its first steps, as an episode."""
        if self.steps <= steps:
            return self
        columns = {
            name: values[: steps + name.startswith("state/")]
            for name, values in self.columns.items()
        }
        shown = f"{steps} of {self.steps} steps shown"
        frames = self.frames[: steps // self.every + 1]
        return dataclasses.replace(self, columns=columns, outcome=shown, frames=frames)

    def plain(self) -> dict[str, Any]:
        """The episode as JSON can hold it."""
        own = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("columns", "thresholds", "frames", "missing")
        }
        return {
            "format": FORMAT,
            **own,
            "actions": list(self.actions),
            "scene": dict(self.scene),
            "thresholds": [
                [each.quantity, _name_or_number(each.value), each.fires] for each in self.thresholds
            ],
            "columns": {name: pack(name, values) for name, values in self.columns.items()},
            "frames": [base64.b64encode(frame).decode() for frame in self.frames],
        }


def write_episodes(path: Path, episodes: Sequence[RecordedEpisode]) -> None:
    """Writes a file of episodes."""
    plain = [episode.plain() for episode in episodes]
    write_text(path, json.dumps({"episodes": plain}, allow_nan=False, separators=(",", ":")))


def read_episodes(path: Path) -> list[RecordedEpisode]:
    """The episodes of a file; the first one's `missing` names those that cannot be shown.

    Raises `HandrailError` where none can.
    """
    given = read_json(path).get("episodes")
    if not isinstance(given, list) or not given:
        raise HandrailError(f"{path}: expected recorded episodes; delete it to record new ones")
    found, wrong = [], []
    for number, each in enumerate(given):
        try:
            found.append(read_episode(each, f"{path}, episode {number + 1}"))
        except HandrailError as error:
            wrong.append(error)
    if not found:
        raise wrong[0]
    lacking = (*found[0].missing, *map(str, wrong))
    return [dataclasses.replace(found[0], missing=lacking), *found[1:]]


def pack(name: str, values: Any) -> dict[str, Any]:
    """A column as whole multiples of a scale; what is not finite is null."""
    array = np.asarray(values, np.float64)
    known = np.isfinite(array)
    largest = float(np.max(np.abs(array), initial=0.0, where=known))
    scale = 1.0
    if (largest and not (array == np.round(array)).all(where=known)) or largest > 1e15:
        digits = _DIGITS.get(name.partition("/")[0], 3)
        scale = 10.0 ** (math.floor(math.log10(largest)) - digits)
    whole = np.rint(np.where(known, array, 0.0) / scale).astype(np.int64).ravel().tolist()
    flat = [value if there else None for value, there in zip(whole, known.flat, strict=True)]
    return {"shape": list(array.shape), "scale": float(f"{scale:.6g}"), "values": flat}


def unpack(packed: Any) -> np.ndarray:
    """A column again; NaN for null. Raises `HandrailError` where it is none."""
    shape, scale, flat = (packed[key] for key in ("shape", "scale", "values"))
    sizes = isinstance(shape, list) and 1 <= len(shape) <= 3 and all(map(_is_count, shape))
    if not sizes or not isinstance(flat, list):
        raise HandrailError("its shape or its values are no lists of numbers")
    if math.prod(shape) != len(flat):
        raise HandrailError(f"{len(flat)} values, expected {math.prod(shape)}")
    if not isinstance(scale, int | float) or not 0 < scale < math.inf:
        raise HandrailError("its scale is no positive number")
    if not all(value is None or type(value) in (int, float) for value in flat):
        raise HandrailError("a value is no number")
    numbers = np.array([math.nan if value is None else value for value in flat], np.float64)
    return (numbers * scale).reshape(shape)


def read_episode(plain: Any, where: str) -> RecordedEpisode:
    """The episode that JSON holds, without what makes no sense, which `missing` names.

    Raises `HandrailError` where nothing of it can be shown.
    """
    if not isinstance(plain, Mapping) or plain.get("format") != FORMAT:
        raise HandrailError(f"{where}: expected an episode of format {FORMAT}")
    missing: list[str] = []
    columns = _columns(plain.get("columns"), missing)
    lengths = [len(values) for name, values in columns.items() if not name.startswith("state/")]
    if not lengths:
        raise HandrailError(f"{where}: it has no step that can be shown")
    steps = max(sorted(set(lengths)), key=lengths.count)
    for name, values in list(columns.items()):
        wanted = steps + name.startswith("state/")
        if len(values) != wanted:
            missing.append(f"{name}: {len(values)} rows, expected {wanted}")
            del columns[name]
    for name in ("intervened", "reward", "cost"):
        if name not in columns or columns[name].ndim != 1:
            missing.append(f"{name}: one number a step is missing")
            columns[name] = np.zeros(steps) if name == "intervened" else np.full(steps, math.nan)
    names = plain.get("actions")
    scene = plain.get("scene")
    return RecordedEpisode(
        kind=_text(plain, "kind"),
        environment=_text(plain, "environment"),
        method=_text(plain, "method"),
        seed=_count(plain, "seed"),
        number=_count(plain, "number"),
        shielded=plain.get("shielded") is True,
        columns=columns,
        scene=_finite_scene(scene, missing),
        thresholds=_thresholds(plain.get("thresholds"), missing),
        actions=tuple(map(str, names)) if isinstance(names, list) else (),
        acts=_text(plain, "acts"),
        outcome=_text(plain, "outcome"),
        frames=_frames(plain.get("frames"), missing),
        every=max(_count(plain, "every"), 1),
        missing=tuple(missing),
    )


def _columns(given: Any, missing: list[str]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    numbers = 0
    if not isinstance(given, Mapping):
        return columns
    for name, packed in list(given.items())[:MOST_COLUMNS]:
        if not isinstance(name, str) or not (name in STEP_COLUMNS or _NAME.fullmatch(name)):
            missing.append(f"{str(name)[:80]}: a column of an unknown name")
            continue
        try:
            column = unpack(packed)
        except (HandrailError, KeyError, TypeError, OverflowError) as error:
            said = error if isinstance(error, HandrailError) else "no column of numbers"
            missing.append(f"{name}: {said}")
            continue
        numbers += column.size
        if not 1 <= len(column) <= MOST_STEPS + 1 or numbers > MOST_NUMBERS:
            missing.append(f"{name}: {len(column)} rows of {column.size} numbers")
            continue
        columns[name] = column
    return columns


def _thresholds(given: Any, missing: list[str]) -> tuple[Threshold, ...]:
    found = []
    for each in given if isinstance(given, list) else []:
        match each:
            case [str(quantity), value, fires] if fires in _FIRES and (
                isinstance(value, str) or _is_finite(value)
            ):
                found.append(Threshold(quantity, value, fires))
            case _:
                missing.append("a threshold that is none")
    return tuple(found)


def _frames(given: Any, missing: list[str]) -> tuple[bytes, ...]:
    found = []
    for each in given if isinstance(given, list) else []:
        try:
            frame = base64.b64decode(each, validate=True)
        except (TypeError, ValueError, binascii.Error):
            frame = b""
        if not _WEBP.match(frame):
            missing.append(f"frame {len(found) + 1} and those after it: no WebP picture")
            break
        found.append(frame)
    return tuple(found)


def _text(plain: Mapping[str, Any], name: str) -> str:
    value = plain.get(name)
    return value if isinstance(value, str) else ""


def _count(plain: Mapping[str, Any], name: str) -> int:
    value: Any = plain.get(name)
    return value if _is_count(value) else 0


def _finite_scene(given: Any, missing: list[str]) -> Mapping[str, Any]:
    """What does not move; pages are JSON without NaN."""
    try:
        json.dumps(given, allow_nan=False)
    except (TypeError, ValueError):
        missing.append("scene: it holds numbers that are not finite")
        return {}
    return given if isinstance(given, Mapping) else {}


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _name_or_number(value: Any) -> Any:
    return value if isinstance(value, str) else float(value)
