"""MiniGrid's lava tasks as a family."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from handrail.artifact import load
from handrail.envs.lava.source import NAMES
from handrail.errors import HandrailError
from handrail.experiments.lava.knowledge_settings import PriorSettings
from handrail.experiments.lava.settings import LavaRun
from handrail.tasks.family import Family, Files, Report, Row


def knows(environment: str) -> bool:
    """Whether MiniGrid has registered an environment of this name, short or whole."""
    if environment in NAMES:
        return True
    import gymnasium
    import minigrid  # noqa: F401  (registers the environments)

    return any(full in gymnasium.registry for full in (environment, f"MiniGrid-{environment}-v0"))


def resolve(settings: Mapping[str, Any]) -> Row:
    """A row of a lava experiment."""
    from handrail.experiments.plan_lava import complete

    row = complete(settings)
    wanted = {"prior": row.prior, "encoder": row.encoder}
    knowledge = {kind: own for kind, own in wanted.items() if own is not None}
    return Row(row.run, knowledge, {"knowledge": row.knowledge})


def acquire(
    kind: str, settings: Any, folder: Path, report: Callable[[str, int, int], None]
) -> None:
    """Acquires a prior or an encoder; a finished one is not repeated."""
    if isinstance(settings, PriorSettings):
        from handrail.experiments.lava.prior import acquire_prior

        acquire_prior(settings, folder, report)
        return
    from handrail.experiments.lava.encoder import acquire_encoder

    acquire_encoder(settings, folder, report)


def view_of(run: LavaRun, files: Files) -> str:
    """What prior and encoder see: by their files. Raises `HandrailError` where they do not fit."""
    views = {
        load(path, expect=kind)[0].spec.get("view") for kind, path in files.items() if path.exists()
    }
    if len(views) > 1:
        raise HandrailError(
            f"prior and encoder see different things: {', '.join(sorted(map(str, views)))}; "
            "both must have been acquired with one view"
        )
    fitting = ("egocentric", "symbolic") if run.observation == "symbolic" else (run.observation,)
    if views and not views & set(fitting):
        raise HandrailError(
            f"the knowledge was acquired on {views.pop()!r} observations, but a run on "
            f"{run.observation!r} observations needs {fitting[0]!r}"
        )
    return str(views.pop()) if views else run.observation


def _knowledge(run: LavaRun, files: Files) -> Any:
    from handrail.experiments.lava.method import Knowledge

    view = view_of(run, files)
    if not any(path.exists() for path in files.values()) and run.observation == "symbolic":
        view = "egocentric"
    return Knowledge(view=view, **files)


def _check(run: LavaRun, files: Files) -> None:
    from handrail.experiments.lava.method import check

    check(run, _knowledge(run, files))


def train(
    run: LavaRun, files: Files, folder: Path, recorded: dict[str, Any], report: Report
) -> dict[str, Any]:
    """Trains an agent."""
    from handrail.experiments.lava.method import run_lava

    return run_lava(run, _knowledge(run, files), folder, settings=recorded, report=report)


def evaluate(run: LavaRun, folder: Path, episodes: int, seed: int) -> dict[str, Any]:
    """Return, cost and length of an agent's greedy policy; means over whole episodes."""
    import jax

    from handrail.artifact import fill
    from handrail.experiments.lava.method import agent_in_environment
    from handrail.train.evaluate import run_greedily

    environment, agent = agent_in_environment(run)
    _, arrays = load(folder / "policy.safetensors", expect="policy")
    template = agent.fresh_network(key=jax.random.key(0))
    network = fill(template, arrays, source=str(folder / "policy.safetensors"))
    done = run_greedily(
        environment, agent, agent.actor(network), episodes=episodes, key=jax.random.key(seed)
    )
    return {
        "episodes": episodes,
        "mean_return": float(done.returns.mean()),
        "mean_cost": float(done.costs.mean()),
        "mean_length": float(done.lengths.mean()),
    }


def _methods() -> Mapping[str, Any]:
    from handrail.experiments.lava.settings import METHODS, NEEDS_ENCODER, NEEDS_PRIOR
    from handrail.interventions.recipes import none
    from handrail.methods.method import Method

    wanted = {"prior": NEEDS_PRIOR, "encoder": NEEDS_ENCODER}
    return {
        name: Method(name, "", lambda *_: none(), tuple(k for k, v in wanted.items() if name in v))
        for name in METHODS
    }


LAVA = Family(
    name="lava",
    environments=NAMES,
    knows=knows,
    methods=_methods(),
    defaults={
        "method": "full-adaptive",
        "observation": "symbolic",
        "knowledge": "many",
        "preset": "recommended",
        "steps": 200_000,
    },
    kinds=("prior", "encoder"),
    run_type=LavaRun,
    resolve=resolve,
    run_name=lambda run: f"{run.environment}-{run.method}-{run.observation}-{run.seed}",
    knowledge_name=lambda kind, settings: f"{kind}-{settings.view}",
    label=lambda kind, settings: f"{kind} ({settings.view})",
    acquire=acquire,
    check=_check,
    train=train,
    evaluate=evaluate,
    packages=("minigrid",),
)
