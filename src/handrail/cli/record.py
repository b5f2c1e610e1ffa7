"""What `handrail record` does: episodes of finished runs as a video, or as a page to play them."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from handrail.cli.own_runs import STUDENT, Named, OwnRun, acting, open_run, read_own
from handrail.core.errors import HandrailError
from handrail.core.files import check_writable, write_text
from handrail.envs.gymnasium.building import closes_environments
from handrail.experiments import launch
from handrail.experiments.launch import Which
from handrail.interventions.recipes import none
from handrail.report.html import Player, page
from handrail.report.player.pictures import Board, board_of
from handrail.report.player.video import Reel, check_ending, write_video
from handrail.tasks.own.episode import rendering, to_record
from handrail.train.rollout.frames import recorded_frames
from handrail.train.rollout.recorded import RecordedEpisode

Camera = Literal["above", "3d"]
MOST_BESIDE = 4


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is to be recorded."""

    episodes: int = 1
    seed: int = 0
    shielded: bool = False
    both: bool = False
    """Each run twice: alone, and shielded beside it."""
    which: Which = "last"
    knowledge_folder: Path = Path("runs")
    files: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    intervention: str | None = None
    view: str | None = None
    environment: str | None = None
    cost_fn: str | None = None
    episode_length: int | None = None


@dataclasses.dataclass(frozen=True)
class VideoLook:
    """How it is to look."""

    camera: Camera = "above"
    width: int = 360
    """Of an episode, in pixels."""
    every: int | None = None
    fps: float | None = None
    titles: tuple[str, ...] = ()
    steps: int | None = None
    """Of an episode, at most."""


def record(runs: Sequence[Path], out: Path, asked: Asked, look: VideoLook) -> list[RecordedEpisode]:
    """Records episodes of each run, on the same seed, and writes them side by side to `out`.

    An episode of each run beside each other, then the next ones. Raises `HandrailError` before
    anything is computed where `out` cannot be written so.
    """
    if not 1 <= len(runs) <= MOST_BESIDE:
        raise HandrailError(f"{len(runs)} runs: expected 1 to {MOST_BESIDE}, shown side by side")
    if out.suffix != ".html":
        check_ending(out)
    check_writable(out.parent)
    if not 64 <= look.width <= 1280:
        raise HandrailError(f"width is {look.width}: expected 64 to 1280 pixels an episode")
    for name in ("every", "steps", "fps"):
        value = getattr(look, name)
        if value is not None and not value > 0:
            raise HandrailError(f"{name} is {value}: expected a positive number")
    if look.camera == "3d" and any(read_own(folder) is not None for folder in runs):
        raise HandrailError(
            "--camera 3d is for navigation and velocity tasks; environments of your own are seen "
            "by their own camera: leave it out"
        )
    ways = (False, True) if asked.both else (asked.shielded,)
    if look.titles and len(look.titles) != len(runs) * len(ways):
        raise HandrailError(
            f"{len(look.titles)} titles, expected {len(runs) * len(ways)}: one for each picture"
        )
    by_run = [
        [
            episode if look.steps is None else episode.cut(look.steps)
            for episode in _recorded(folder, dataclasses.replace(asked, shielded=shielded))
        ]
        for folder in runs
        for shielded in ways
    ]
    every = [episode for episodes in by_run for episode in episodes]
    if True in ways and not any(episode.shielded for episode in every):
        raise HandrailError(
            f"{runs[0]}: nothing steps in under method {every[0].method!r}; leave "
            "--shielded and --both out"
        )
    rows = list(zip(*by_run, strict=True))
    if out.suffix == ".html":
        title = " and ".join(dict.fromkeys(episode.environment for episode in every))
        blocks = [Player([episode for row in rows for episode in row])]
        write_text(out, page(title or "Recorded episodes", blocks))
        return every
    titles = look.titles or tuple(_title(episodes[0]) for episodes in by_run)
    painted = [
        [
            (episode, _board(episode, look, row), title)
            for episode, title in zip(row, titles, strict=True)
        ]
        for row in rows
    ]
    reel = Reel(painted, size=look.width, every=look.every, fps=look.fps)
    write_video(out, reel)
    return every


def _recorded(folder: Path, asked: Asked) -> list[RecordedEpisode]:
    own = read_own(folder)
    if own is not None:
        launch.check_evaluation(folder, asked.episodes, asked.seed)
        return _of_own(own, asked)
    return launch.record(
        folder, episodes=asked.episodes, seed=asked.seed, shielded=asked.shielded,
        which=asked.which, knowledge_folder=asked.knowledge_folder, files=asked.files,
        environment=asked.environment,
    )  # fmt: skip


@closes_environments
def _of_own(run: OwnRun, asked: Asked) -> list[RecordedEpisode]:
    """Of a run in an environment of the user's: frames, if that can render `rgb_array`."""
    named = Named(
        asked.environment, asked.cost_fn, asked.episode_length, asked.files.get("guide"),
        asked.intervention, asked.view,
    )  # fmt: skip
    opened = open_run(run, named, asked.which, change=rendering)
    intervention, acts = opened.intervention() if asked.shielded else (none(), "")
    method = run.student.method if run.purpose == STUDENT else run.purpose
    host = to_record(opened.host)
    return recorded_frames(
        host, host.env, acting(opened.policy), intervention, environment=run.environment,
        method=method, acts=acts, episodes=asked.episodes, seed=asked.seed, longest=opened.longest,
    )  # fmt: skip


def _title(episode: RecordedEpisode) -> str:
    how = "with intervention" if episode.shielded else "alone"
    return f"{episode.method}, {how}" if episode.method else episode.environment


def _board(episode: RecordedEpisode, look: VideoLook, row: Sequence[RecordedEpisode]) -> Board:
    if look.camera == "above" or episode.kind == "frames":  # frames are what a camera saw
        return board_of(episode, look.width, row)
    if episode.kind != "navigation":
        raise HandrailError(
            f"--camera 3d is for navigation tasks, and {episode.environment} is none; leave it out"
        )
    from PIL import Image

    from handrail.envs.navigation.replay import replayed

    states = {
        name.removeprefix("state/"): values
        for name, values in episode.columns.items()
        if name.startswith("state/")
    }
    frame = replayed(episode.environment, states, episode.scene, size=look.width, camera="behind")
    return lambda state: Image.fromarray(frame(state))
