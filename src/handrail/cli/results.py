"""The commands on what has been computed, which `handrail.cli.commands` registers."""

import sys
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import tyro

from handrail.cli.options import Device, Repeatable, portion_of
from handrail.core.errors import HandrailError
from handrail.core.plain_text import message, plain


def evaluate(
    run: Annotated[Path, tyro.conf.Positional],
    episodes: int = 10,
    seed: int = 0,
    policy: Literal["last", "best"] = "last",
    environment: str | None = None,
    cost_fn: str | None = None,
    episode_length: int | None = None,
    shielded: bool = False,
    changes: Repeatable = (),
    knowledge_folder: Path = Path("runs"),
    guide: Path | None = None,
    prior: Path | None = None,
    encoder: Path | None = None,
    expert: Path | None = None,
    intervention: str | None = None,
    view: str | None = None,
    device: Device = None,
) -> None:
    """Runs the policy of a finished run by itself, and with --shielded under its intervention too.

    A lava agent and a DQN act greedily; students and guides sample, as the paper tests them.

    Args:
        run: Folder of a finished run.
        episodes: Whole episodes to run.
        seed: Seed of the evaluation.
        policy: The last one, or the best of those that kept the limit alone in a test.
        environment: Of a run in your own environment: MODULE:ID of a registered one, or
            MODULE:FUNCTION that builds it; by default the id that the run was given.
        cost_fn: MODULE:NAME of your cost function (obs, action, next_obs, info) -> cost.
        episode_length: Time limit in steps, in your own environment; by default the run's.
        shielded: Test the policy together with its intervention as well (shielded_…): guide, checks
            or shield stay in place.
        changes: Test in a changed world, such as mass=1.5 damping=0.5 gain=0.8 noise=0.1 delay=2
            disturbance=0.2: factors of physics, noise as a share of a sensor's scale, steps of
            delay, share of a random action. In your own environment without mass and damping.
        knowledge_folder: Where the knowledge of the run is looked for, besides near the run.
        guide: The run's guide, if it is not found beside the run; likewise the next three.
        intervention: Of a run in your own environment: MODULE:NAME of the shield that it was given.
        view: MODULE:NAME of the view that the run's guide was given.
    """
    from handrail.core.jax_setup import choose

    choose(device)
    from handrail.cli.changed import changes_of
    from handrail.cli.evaluate import evaluate as evaluate_one
    from handrail.envs.changes import NOTHING_CHANGED
    from handrail.knowledge.catalog import located_files
    from handrail.report.console import show_values

    files = {"guide": guide, "prior": prior, "encoder": encoder, "expert": expert}
    world = changes_of(tuple(chain(*changes)))
    found = evaluate_one(
        run, episodes=episodes, seed=seed, which=policy, environment=environment, cost_fn=cost_fn,
        episode_length=episode_length, shielded=shielded, knowledge_folder=knowledge_folder,
        files=located_files(files), intervention=intervention, view=view, changes=world,
    )  # fmt: skip
    if world != NOTHING_CHANGED:
        print(f"{'world':24} {world.words}")
    show_values(found)


def record(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path = Path("episode.mp4"),
    episodes: int = 1,
    shielded: bool = False,
    both: bool = False,
    seed: int = 0,
    policy: Literal["last", "best"] = "last",
    camera: Literal["above", "3d"] = "above",
    steps: int | None = None,
    every: int | None = None,
    fps: float | None = None,
    width: int = 360,
    titles: tuple[str, ...] = (),
    prior: Path | None = None,
    encoder: Path | None = None,
    guide: Path | None = None,
    expert: Path | None = None,
    knowledge_folder: Path = Path("runs"),
    environment: str | None = None,
    cost_fn: str | None = None,
    episode_length: int | None = None,
    intervention: str | None = None,
    view: str | None = None,
    device: Device = None,
) -> None:
    """Records episodes of finished runs, side by side on one seed: a video, or a page to play them.

    No screen is needed. MP4 needs the extra `video`.

    Args:
        runs: Folders of finished runs, up to four.
        out: The file: .mp4, .gif, or .html for the player.
        episodes: Whole episodes of each run.
        shielded: The intervention of each run's method acts, as in training; lava agents explore.
        both: Each run twice, alone and shielded, side by side.
        seed: Of the episodes: those of one seed begin alike.
        policy: The last one, or the best of those that kept the limit alone in a test.
        camera: Navigation from above, or as MuJoCo renders it (3d; needs EGL or OSMesa).
        steps: Only the first steps of each episode.
        every: Show every so manieth step; by default as many as make 250 pictures.
        fps: Pictures a second; 25, on lava 5.
        width: Of each run's picture, in pixels.
        titles: One for each picture, in place of method names.
        prior: Of a run that was given this file, for --shielded; so are the next three.
        encoder: See prior.
        guide: See prior.
        expert: See prior.
        knowledge_folder: Where knowledge was acquired, if not beside the run.
        environment: Of a run in your own environment, as of `handrail evaluate`.
        cost_fn: MODULE:NAME of your cost function.
        episode_length: Time limit in steps, in your own environment; by default the run's.
        intervention: MODULE:NAME of the shield of a run in your own environment, if it had one.
        view: MODULE:NAME of the guide's view there, if it had one.
    """
    from handrail.core.jax_setup import choose

    choose(device)
    from handrail.cli.record import Asked, VideoLook
    from handrail.cli.record import record as record_runs
    from handrail.knowledge.catalog import located_files

    named = {"prior": prior, "encoder": encoder, "guide": guide, "expert": expert}
    recorded = record_runs(
        runs,
        out,
        Asked(
            episodes, seed, shielded, both, policy, knowledge_folder, located_files(named),
            intervention, view, environment, cost_fn, episode_length,
        ),
        VideoLook(camera, width, every, fps, titles, steps),
    )  # fmt: skip
    for episode in recorded:
        how = "with intervention" if episode.shielded else "alone"
        print(plain(
            f"{episode.method}, {how}, episode {episode.number + 1}: {episode.steps} steps, return "
            f"{sum(episode.columns['reward']):.3g}, cost {sum(episode.columns['cost']):g}, "
            f"{int(sum(episode.columns['intervened']))} steps intervened, {episode.outcome}"
        ))  # fmt: skip
    print(f"recorded: {out}")


def report(
    names: Annotated[tuple[str, ...], tyro.conf.Positional],
    budget: str = "quick",
    seeds: int | None = None,
    variants: Repeatable = (),
    environments: Repeatable = (),
    out: Path | None = None,
    vectors: bool = False,
) -> None:
    """Writes the report of run folders, or again that of an experiment whose runs are finished.

    Args:
        names: An experiment (see `handrail list`), or folders of runs, whatever was run.
        budget: The budget at which the experiment was run.
        seeds: The number of seeds with which it was run, if not the budget's own.
        variants: Those with which it was run, if not all.
        environments: Those in which it was run, if not all.
        out: The folder that the experiment was run into (runs). Of run folders: where report.html
            goes; by default the folder itself, or of several the working folder.
        vectors: Write every figure as PDF and SVG as well, beside the page.
    """
    from handrail.cli.report import report as run
    from handrail.report.console import show

    path, tables, missing = run(
        names, portion_of(budget, seeds, variants, environments),
        out=out, vectors=vectors,
    )  # fmt: skip
    show(tables)
    for text in missing:
        print(f"missing: {message(text)}", file=sys.stderr)
    print(f"report: {plain(path)}")


def compare(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional], out: Path = Path("compare.png")
) -> None:
    """Shows runs side by side: what came out, the settings that differ, curves in a PNG.

    Args:
        runs: Folders of runs, finished or going on.
        out: The figure.
    """
    from handrail.report.compare import compare as run
    from handrail.report.console import show

    show(run(runs, out))
    print(f"figure: {out}")


def watch(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], open: bool = False) -> None:
    """Shows the curves of runs in the terminal while they grow; ends when all runs have ended.

    Piped, it prints a line whenever a run has grown.

    Args:
        runs: Folders of runs, or folders with runs below them.
        open: Open the report of the runs in a browser, too; it is written anew as they grow.
    """
    from handrail.cli.watch import watch as run

    if not runs:
        raise HandrailError("no run named; expected folders of runs, such as runs/train")
    if not open:
        run(runs)
        return
    from handrail.cli.watch_page import GrowingPage

    run(runs, grown=GrowingPage(runs))


def tensorboard(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    logdir: Path = Path("runs/tensorboard"),
    follow: bool = False,
    wandb: str | None = None,
) -> None:
    """Writes TensorBoard event files of runs, finished or going on.

    Args:
        runs: Folders of runs, or folders with runs below them.
        logdir: Where event files go; show them with `tensorboard --logdir`.
        follow: Go on until all runs have finished.
        wandb: Send the same to this project of Weights & Biases.
    """
    from handrail.cli.follow import show

    if not runs:
        raise HandrailError("no run named; expected folders of runs")
    folders = show(runs, logdir=logdir, project=wandb, follow=follow)
    print(f"{len(folders)} runs: tensorboard --logdir {logdir}")


def check_robustness(
    what: Annotated[Path, tyro.conf.Positional],
    task: str | None = None,
    limit: float | None = None,
    side: int = 8,
    episodes: int = 20,
    seed: int = 0,
    out: Path | None = None,
    guide: Path | None = None,
    knowledge_folder: Path = Path("runs"),
    device: Device = None,
) -> None:
    """Tests a guide, or a student with its guide, in worlds that differ from where they learnt.

    Mass × damping, and by themselves the motors' gain, sensor noise, delay and disturbance of
    actions. A minute for compiled tasks; on MuJoCo take fewer episodes and a smaller side.

    Args:
        what: A guide (file, folder, or the name of one that ships), or the folder of a student.
        task: The navigation task in whose target a guide is tested; by default the one it was
            trained on.
        limit: Cost of 1,000 steps; by default the task's.
        side: Worlds along a side of the grid of mass and damping, from 0.5 to 1.5 times.
        episodes: Whole episodes in each world; all worlds have the same starts.
        seed: Of the episodes.
        out: Write a page here (.html), and the raw numbers beside it (.json).
        guide: The guide of a student's run, if it is not found near the run.
        knowledge_folder: Where it is looked for, besides near the run.
    """
    from handrail.core.jax_setup import choose

    choose(device)
    from handrail.cli.check_robustness import check_robustness as run
    from handrail.experiments.progress import ProgressBars

    with ProgressBars(unit="") as bars:
        run(
            what, task=task, limit=limit, side=side, episodes=episodes, seed=seed, out=out,
            guide=guide, knowledge_folder=knowledge_folder,
            report=lambda done, total: bars("worlds", done, total),
        )  # fmt: skip
    if out is not None:
        print(f"page: {plain(out)}")


COMMANDS = (evaluate, check_robustness, record, compare, watch, report, tensorboard)
