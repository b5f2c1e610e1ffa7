"""MiniGrid's lava tasks as a family."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.envs.lava.source import NAMES, open_source
from handrail.methods.contrastive.table import METHODS
from handrail.tasks.family import Family, Files, Report
from handrail.tasks.lava.fitting import check_acquired, knowledge_of
from handrail.tasks.lava.knowledge import acquire_encoder, acquire_guide, acquire_prior
from handrail.tasks.lava.resolve import resolve
from handrail.tasks.lava.settings import LavaRun
from handrail.tasks.lava.student import check, record_policy, run_lava, try_policy_of, try_shielded
from handrail.train.course import Course, Coursed, coursed
from handrail.train.rollout.recorded import RecordedEpisode

ACQUIRE: Mapping[str, Coursed[..., Path]] = {
    "prior": acquire_prior,
    "encoder": acquire_encoder,
    "guide": acquire_guide,
}


def knows(environment: str) -> bool:
    """Whether MiniGrid has registered an environment of this name, short or whole."""
    if environment in NAMES:
        return True
    import gymnasium
    import minigrid  # noqa: F401  (registers the environments)

    full = environment if environment.startswith("MiniGrid-") else f"MiniGrid-{environment}-v0"
    return full in gymnasium.registry


@coursed
def acquire(
    kind: str, settings: Any, folder: Path, report: Callable[[str, int, int], None]
) -> Course[None]:
    """Acquires a prior, an encoder or a guide; a finished one is not repeated."""
    yield from ACQUIRE[kind].course(settings, folder, report)


@coursed
def train(
    run: LavaRun, files: Files, folder: Path, recorded: dict[str, Any], report: Report
) -> Course[dict[str, Any]]:
    """Trains an agent."""
    known = knowledge_of(run, files)
    return (yield from run_lava.course(run, known, folder, settings=recorded, report=report))


def evaluate(
    run: LavaRun, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """Return, cost and length of an agent's greedy policy; means over whole episodes."""
    _refuse(changes)
    found = try_policy_of(run, file, episodes=episodes, seed=seed)
    return {"episodes": episodes, **found}


def record(
    run: LavaRun, file: Path, files: Files, episodes: int, seed: int, shielded: bool
) -> list[RecordedEpisode]:
    """Recorded episodes of an agent."""
    known = knowledge_of(run, files)
    return record_policy(run, known, file, episodes=episodes, seed=seed, shielded=shielded)


def shielded(
    run: LavaRun, files: Files, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """The same of the policy under the checks of its run, which know the unsafe states that its
    encoder brought along.
    """
    _refuse(changes)
    return try_shielded(run, knowledge_of(run, files), file, episodes=episodes, seed=seed)


def _refuse(changes: Changes) -> None:
    if changes != NOTHING_CHANGED:
        raise HandrailError(
            f"the world is to be changed ({changes.words}), but lava is a "
            "grid without bodies, motors and sensors: leave --changes out"
        )


LAVA = Family(
    name="lava",
    environments=NAMES,
    knows=knows,
    look=lambda environment, seed: open_source(environment).layout(seed),
    methods=METHODS,
    defaults={
        "method": "full",
        "observation": "symbolic",
        "knowledge": "many",
        "preset": "recommended",
        "steps": 200_000,
    },
    kinds=("prior", "encoder", "guide"),
    prefix="LavaCrossing",
    run_type=lambda method: LavaRun,
    resolve=resolve,
    run_name=lambda run: f"{run.environment}-{run.method}-{run.observation}-{run.seed}",
    knowledge_name=lambda kind, settings: f"{kind}-{settings.view}",
    label=lambda kind, settings: f"{kind} ({settings.view})",
    acquire=acquire,
    suits=check_acquired,
    check=lambda run, files: check(run, knowledge_of(run, files)),
    train=train,
    evaluate=evaluate,
    record=record,
    shielded=shielded,
    packages=("minigrid",),
)
