"""Environments of the user's as a family: what commands and experiment files can do with them.

Which half of it a run belongs to, real actions or discrete ones, is its method's to say: nothing of
the user's is imported to find out.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.changes import Changes
from handrail.envs.gymnasium.actions import action_codec
from handrail.envs.gymnasium.building import built, closes_environments
from handrail.envs.gymnasium.named import factory
from handrail.envs.gymnasium.raw import close_environment
from handrail.methods.contrastive.table import METHODS as DISCRETE
from handrail.methods.sagui.acquired import check_acquired
from handrail.methods.sagui.settings import TRANSITIONS
from handrail.methods.sagui.table import METHODS
from handrail.tasks.family import Family, Files, Report, Row
from handrail.tasks.own import discrete_resolve, dqns, students
from handrail.tasks.own.discrete_resolve import check_acquirable, resolve_discrete
from handrail.tasks.own.discrete_settings import OwnDqn, OwnEncoder, OwnPrior
from handrail.tasks.own.problems import encoder_source_of, length_of, source_of, target_of
from handrail.tasks.own.resolve import OFFERED, STEPS, resolve
from handrail.tasks.own.settings import OwnGuide, OwnSourceEncoder, OwnStudent
from handrail.train.course import by_itself
from handrail.train.rollout.recorded import RecordedEpisode

HALVES: Mapping[type, ModuleType] = {OwnStudent: students, OwnDqn: dqns}
"""By the settings of a run, who trains and tests it."""
ACQUIRE: Mapping[type, Callable[..., None]] = {
    OwnGuide: students.acquire_guide,
    OwnSourceEncoder: students.acquire_encoder,
    OwnPrior: dqns.acquire_prior,
    OwnEncoder: dqns.acquire_encoder,
}
"""By the settings of a piece of knowledge, who acquires it."""
DESCRIBED: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    OwnStudent: lambda run: target_of(run)[-1],
    OwnGuide: lambda settings: source_of(settings)[-1],
    OwnSourceEncoder: lambda settings: encoder_source_of(settings)[-1],
    OwnDqn: lambda run: dqns.environments_of(run)[-1],
    OwnPrior: lambda settings: dqns.sources_of(settings)[-1],
    OwnEncoder: lambda settings: dqns.encoder_source_of(settings)[-1],
}
"""By settings, the description of the code that they name."""


def knows(environment: str) -> bool:
    """Whether it names a module to import, or Gymnasium has registered it."""
    if ":" in environment:
        return True
    import gymnasium

    return environment in gymnasium.registry


def look(environment: str, seed: int) -> None:
    """Builds one. Raises `HandrailError` where nothing can act in it."""
    env = built(factory(environment))
    space = getattr(env, "single_action_space", getattr(env, "action_space", None))
    try:
        if space is not None:  # compiled ones are looked at with the method
            action_codec(space)
    finally:
        close_environment(env)


def run_type(method: str) -> type:
    """Of the settings of a run with this method."""
    return OwnDqn if method in discrete_resolve.OFFERED else OwnStudent


def resolve_own(settings: Mapping[str, Any]) -> Row:
    """Reads a row's dotted settings, as those of its method."""
    discrete = settings.get("method") in discrete_resolve.OFFERED
    return resolve_discrete(settings) if discrete else resolve(settings)


@by_itself
@closes_environments
def acquire(
    kind: str, settings: Any, folder: Path, report: Callable[[str, int, int], None]
) -> None:
    """Acquires a guide, a prior or an encoder; a finished one is not repeated."""
    if not (folder / f"{kind}.safetensors").exists():
        ACQUIRE[type(settings)](settings, folder, report)


@closes_environments
def named_code(settings: Any) -> dict[str, Any]:
    """The description of the code that settings of a run or of knowledge name, as it is now."""
    return DESCRIBED[type(settings)](settings)


@closes_environments
def suits(run: Any, knowledge: Mapping[str, Any]) -> None:
    """Refuses knowledge that a run is to acquire and that cannot be, or would not fit."""
    if isinstance(run, OwnDqn):
        check_acquirable(run, knowledge)
    elif guide := knowledge.get("guide"):
        where, here = ((own.environment, own.episode_length) for own in (guide, run))
        lengths = (1, 1) if where == here else (length_of(guide), length_of(run))
        check_acquired(run, knowledge, lengths=lengths)


@closes_environments
def check(run: Any, files: Files) -> None:
    """Builds the environment, and refuses one that cannot be trained in."""
    HALVES[type(run)].check(run, files)


@by_itself
@closes_environments
def train(
    run: Any, files: Files, folder: Path, recorded: dict[str, Any], report: Report
) -> dict[str, Any]:
    """Trains a student or a DQN."""
    return HALVES[type(run)].train(run, files, folder, recorded, report)


def notes(row: Row, files: Files) -> list[str]:
    """That a guide is to learn where its mistakes count, if no source is named."""
    guide = row.knowledge.get("guide")
    if guide is None or "guide" in files or guide.environment != row.run.environment:
        return []
    return [
        f"guide: it learns, and makes its mistakes, in {guide.environment} itself; if a mistake "
        "there is not allowed, name a simulator: --set guide.environment=MODULE:SOURCE"
    ]


@closes_environments
def warnings(run: Any, files: Files) -> list[str]:
    """What the guide's shield test says against it."""
    return students.warnings(run, files) if isinstance(run, OwnStudent) else []


@closes_environments
def evaluate(run: Any, file: Path, episodes: int, seed: int, changes: Changes) -> dict[str, Any]:
    """Return, cost and length of a run's own policy, without its intervention."""
    return HALVES[type(run)].evaluate(run, file, episodes, seed, changes)


@closes_environments
def shielded(
    run: Any, files: Files, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """The same of the policy together with its intervention."""
    return HALVES[type(run)].shielded(run, files, file, episodes, seed, changes)


@closes_environments
def record(
    run: Any, file: Path, files: Files, episodes: int, seed: int, shielded: bool
) -> list[RecordedEpisode]:
    """Recorded episodes: frames, where the environment renders `rgb_array`."""
    return HALVES[type(run)].record(run, file, files, episodes, seed, shielded)


@closes_environments
def triggers(
    run: Any, files: Files, file: Path | None, episodes: int, seed: int, within: int
) -> list[dict[str, Any]]:
    """How right the triggers are that a run's knowledge allows. Raises `HandrailError` for a DQN:
    none of its checks foresees harm that is reported later.
    """
    if not isinstance(run, OwnStudent):
        raise HandrailError(
            f"method {run.method!r} foresees nothing: expected a run with real actions and a guide "
            "that takes over before harm, such as one of budget-switch"
        )
    return students.triggers(run, files, file, episodes, seed, within)


def beside(run: Any, files: Files) -> list[Path]:
    """Files that lie beside those of the knowledge and decide about the run, too."""
    return students.beside(run, files) if isinstance(run, OwnStudent) else []


def report(methods: Collection[Any]) -> str:
    """That of DQNs where all are; else that of students, whose tests have tables of their own."""
    discrete = methods and set(methods) <= set(discrete_resolve.OFFERED)
    return "learning" if discrete else "navigation"


def _folder(name: str) -> str:
    """A name of an environment as a part of a folder's."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


OWN_ENVIRONMENTS = Family(
    name="your environments",
    environments=("MODULE:ID", "MODULE:FUNCTION"),
    knows=knows,
    look=look,
    methods={
        **{name: METHODS[name] for name in OFFERED},
        **{name: DISCRETE[name] for name in discrete_resolve.OFFERED},
    },
    defaults={"method": "budget-switch", "steps": STEPS, "guide.steps": STEPS},
    kinds=("guide", "prior", "encoder"),
    prefix="",
    run_type=run_type,
    resolve=resolve_own,
    run_name=lambda run: f"{_folder(run.environment)}-{run.method}-{run.seed}",
    knowledge_name=lambda kind, settings: f"{_folder(settings.environment)}-{kind}-{settings.seed}",
    label=lambda kind, settings: f"{kind} {settings.environment} seed {settings.seed}",
    acquire=acquire,
    named_code=named_code,
    suits=suits,
    check=check,
    train=train,
    evaluate=evaluate,
    record=record,
    shielded=shielded,
    notes=notes,
    warnings=warnings,
    triggers=triggers,
    beside=beside,
    left_beside={"guide": (TRANSITIONS,)},
    report=report,
    required=lambda method: {} if method in discrete_resolve.OFFERED else {"limit": 5.0},
    names_code=True,
    compiles=lambda environment: False,
    on_host=True,
)
