"""The commands that check an environment or a transfer, which `handrail.cli.commands` registers."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from handrail.cli.options import Device


def check_env(
    environment: Annotated[str, tyro.conf.Positional],
    cost_fn: str | None = None,
    steps: int = 1000,
    seed: int = 0,
) -> None:
    """Checks an environment of yours: spaces, values, cost, seeding, ends; exit code 2 if wrong.

    Args:
        environment: MODULE:ID of a registered environment, or MODULE:FUNCTION that builds one.
        cost_fn: MODULE:NAME of a function (obs, action, next_obs, info) -> cost.
        steps: Random steps to take.
        seed: Seed of the resets and of the random actions.
    """
    from handrail.cli.check_env import check_env as run

    if not run(environment, cost_fn=cost_fn, steps=steps, seed=seed):
        sys.exit(2)


def check_transfer(
    guide: Annotated[Path, tyro.conf.Positional],
    task: str | None = None,
    source: str | None = None,
    target: str | None = None,
    cost_fn: str | None = None,
    source_cost_fn: str | None = None,
    view: str | None = None,
    episode_length: int | None = None,
    takeover_cost: float | None = None,
    limit: float | None = None,
    episodes: int = 100,
    seed: int = 0,
    out: Path | None = None,
    device: Device = None,
) -> None:
    """Measures whether a guide may be trusted in a target: exit code 0 if so, else 1.

    Also whether a student can keep its limit as the guide's cost critic counts; if not, the exit
    code is 1 as well.

    Tasks on MuJoCo take minutes: those with a car, vases, or a robot of the velocity tasks; the
    others take seconds. Of your own simulators name --source and --target.

    Args:
        guide: A guide (.safetensors), or the name of one that ships (`handrail knowledge list`).
        task: The task of the target; by default the one the guide was trained on.
        source: Your environment that the guide was trained in: MODULE:ID or MODULE:FUNCTION.
        target: Your environment that it is to be used in, likewise.
        cost_fn: MODULE:NAME of the target's cost (obs, action, next_obs, info) -> cost.
        source_cost_fn: Likewise of the source; by default the target's.
        view: MODULE:NAME of what the guide sees of the target; by default its parts, by name.
        episode_length: Time limit in steps of both, if your environments do not say.
        takeover_cost: Of your own, where the guide takes over in the shield test; by default as its
            file says.
        limit: Cost limit of an episode in the target; by default the task's, or the guide's own.
        episodes: Whole episodes of the guide, and twice as many takeovers, in each task. On MuJoCo
            the default takes about three minutes; with fewer, more is left open.
        seed: Seed of the measurement.
        out: Write the raw numbers here, as JSON.
    """
    from handrail.cli.check_transfer import check_pair, check_task, show
    from handrail.core.jax_setup import choose
    from handrail.experiments.progress import ProgressBars
    from handrail.knowledge.catalog import located

    choose(device)
    own = {
        "source": source, "target": target, "cost_fn": cost_fn, "source_cost_fn": source_cost_fn,
        "view": view, "episode_length": episode_length, "takeover_cost": takeover_cost,
    }  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    with ProgressBars(unit="") as bars:
        common: dict[str, Any] = {
            "limit": limit, "episodes": episodes, "seed": seed, "out": out,
            "report": lambda what, done, total: bars(f"episodes in the {what}", done, total),
        }  # fmt: skip
        path = located("guide", guide)
        verdict = (
            check_pair(path, task, **given, **common)
            if given
            else check_task(path, task=task, **common)
        )
    show(verdict)
    if not verdict.passed:
        sys.exit(1)


def check_triggers(
    run: Annotated[Path, tyro.conf.Positional],
    within: int = 20,
    random: bool = False,
    episodes: int = 20,
    seed: int = 0,
    policy: Literal["last", "best"] = "last",
    environment: str | None = None,
    knowledge_folder: Path = Path("runs"),
    guide: Path | None = None,
    encoder: Path | None = None,
    device: Device = None,
) -> None:
    """Measures which triggers are right: where they fire, does harm follow? On the same states.

    Every trigger watches that the knowledge of the run allows, at its thresholds, and none steps
    in. So a run under near-unsafe-switch compares the state check with the cost critic.

    Args:
        run: Folder of a finished run of a student whose guide takes over before harm.
        within: Steps within which harm has to follow.
        random: Random actions drive, each held for 30 steps, in place of the run's policy.
        episodes: Whole episodes to watch.
        seed: Of the episodes.
        policy: The last one, or the best of those that kept the limit alone in a test.
        environment: Of a run in your own environment, as of `handrail evaluate`.
        knowledge_folder: Where the knowledge of the run is looked for, besides near the run.
        guide: The run's guide, if it is not found beside the run.
        encoder: Likewise its encoder.
    """
    from handrail.core.arguments import whole
    from handrail.core.jax_setup import choose
    from handrail.experiments import launch
    from handrail.knowledge.catalog import located_files
    from handrail.report.console import show
    from handrail.report.warnings import warnings_table

    choose(device)
    named = {"guide": guide, "encoder": encoder}
    rows = launch.check_triggers(
        run, episodes=episodes, seed=seed, within=whole("within", within, least=1), random=random,
        which=policy, knowledge_folder=knowledge_folder, files=located_files(named),
        environment=environment,
    )  # fmt: skip
    show([warnings_table(rows, within=within)])


COMMANDS = (check_env, check_transfer, check_triggers)
