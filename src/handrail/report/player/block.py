"""The player as a block of a page: `player_block` yields markup, style and script."""

import dataclasses
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.report.player.older import from_grid
from handrail.report.script_data import script_data
from handrail.train.rollout.recorded import RecordedEpisode

GRID = frozenset("#.LG")
PICTURES = {"lava": ("state/robot",), "navigation": ("state/robot", "state/goal")}
"""Columns that a picture is drawn from."""


@dataclasses.dataclass(frozen=True)
class PlayerBlock:
    """A player in three parts: a page holds style and script once, however many players it has."""

    html: str
    css: str
    script: str


def player_block(
    episodes: Sequence[RecordedEpisode | Mapping[str, Any]], caption: str = ""
) -> PlayerBlock:
    """Plays these episodes, one, or two that begin alike beside each other.

    The markup is inert: nothing of an episode can end its script element or become markup. It needs
    no network and neither `eval` nor style attributes; pictures are `data:` addresses. The page
    defines the colours `--panel`, `--paper`, `--ink`, `--muted`, `--line` and `--accent`. Episodes
    of older versions, mappings with a `grid`, are taken as well. Raises `HandrailError` where there
    is nothing to play.
    """
    if not episodes:
        raise HandrailError("the player needs at least one episode")
    shown = [
        _shown(from_grid(each, f"episode {n + 1}") if isinstance(each, Mapping) else each)
        for n, each in enumerate(episodes)
    ]
    said = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return PlayerBlock(
        html='<figure class="player"><noscript><p>The player needs JavaScript.</p></noscript>'
        f'<script type="application/json">{script_data(shown)}</script>{said}</figure>',
        css=_asset("player.css"),
        script=_asset("player.js"),
    )


def _shown(episode: RecordedEpisode) -> dict[str, Any]:
    """What the script reads: the episode, checked, and what follows from it."""
    kind, problems = picture_of(episode)
    return {
        **episode.plain(),
        "picture": kind,
        "missing": [*episode.missing, *problems],
        "next_stops": episode.next_stops(),
        "cost_stops": episode.cost_stops(),
        "match": _begins(episode),
    }


def picture_of(episode: RecordedEpisode) -> tuple[str, list[str]]:
    """How an episode can be drawn (empty: not at all), and what is missing for a picture."""
    if episode.kind == "frames" and episode.frames:
        return "frames", []
    needed = PICTURES.get(episode.kind)
    if needed is None:
        wanted = episode.kind == "frames"
        return "", ["no picture: its environment rendered no frames"] if wanted else []
    problems = [f"no picture: {name} is missing" for name in needed if name not in episode.columns]
    if not problems:
        check = _lava_problem if episode.kind == "lava" else _navigation_problem
        problem = check(episode)
        problems = [f"no picture: {problem}"] if problem else []
    return ("", problems) if problems else (episode.kind, [])


def _lava_problem(episode: RecordedEpisode) -> str:
    grid, poses = episode.scene.get("grid"), episode.columns["state/robot"]
    rows = grid if isinstance(grid, list) and grid else [""]
    if not all(isinstance(row, str) and row and set(row) <= GRID for row in rows):
        return "the grid is no list of rows of # . L G"
    if len({len(row) for row in rows}) != 1:
        return "the rows of the grid are not equally long"
    if poses.shape[1:] != (3,) or not np.isfinite(poses).all():
        return "the agent's places are no three finite numbers a state"
    low, high = poses.min(axis=0), poses.max(axis=0)
    if (low < 0).any() or high[0] >= len(rows[0]) or high[1] >= len(rows) or high[2] > 3:
        return "the agent leaves the grid"
    return ""


def _navigation_problem(episode: RecordedEpisode) -> str:
    scene, columns = episode.scene, episode.columns
    for name in ("extent", "hazard_size", "vase_size", "goal_radius"):
        value: Any = scene.get(name)
        if type(value) not in (int, float) or not 0 <= value < 1e6:
            return f"{name} is no length in m"
    if not _are_places(scene.get("hazards")):
        return "hazards are no list of x and y"
    if not _are_places(scene.get("discs", []), 3):
        return "discs are no list of x, y and radius"
    for name in ("walls", "rings"):
        if not _are_places([scene.get(name, [])], None):
            return f"{name} are no list of lengths in m"
    robot, vases = columns["state/robot"], columns.get("state/vases")
    if robot.shape[1:] != (3,) or not np.isfinite(robot).all() or np.abs(robot).max() > 1e6:
        return "the robot's places are no three finite numbers a state"
    if columns["state/goal"].shape[1:] != (2,):
        return "the goal's places are no two numbers a state"
    if vases is not None and (vases.shape[2:] != (3,) or not np.isfinite(vases).all()):
        return "the vases' places are no three finite numbers each"
    return ""


def _are_places(given: Any, size: int | None = 2) -> bool:
    """Whether it is a list of lists of so many numbers."""

    def is_place(place: Any) -> bool:
        return (
            isinstance(place, list)
            and (size is None or len(place) == size)
            and all(type(number) in (int, float) and abs(number) < 1e6 for number in place)
        )

    return isinstance(given, list) and all(map(is_place, given))


def _begins(episode: RecordedEpisode) -> str:
    """The same text for episodes that begin alike."""
    first = {
        name: np.round(values[0], 3).tolist()
        for name, values in episode.columns.items()
        if name.startswith("state/") and np.isfinite(values[0]).all()
    }
    same: Any = [episode.environment, dict(episode.scene), first]
    if not first:
        same.append([episode.seed, episode.number])
    return hashlib.sha256(json.dumps(same, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _asset(name: str) -> str:
    return (resources.files("handrail.report.player") / name).read_text(encoding="utf-8")
