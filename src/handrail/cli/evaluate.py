"""What `handrail evaluate` does: a run's policy by itself, in the papers' tasks or in one's own."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.api.policies import Values, card_of_policy, open_networks, parts_of
from handrail.cli.own_acting import Beside, acting, intervention_of_own
from handrail.core.artifact import number
from handrail.core.errors import HandrailError
from handrail.core.files import read_json
from handrail.core.plain_text import message
from handrail.core.recorded import PASSED, mapping
from handrail.core.renamed import migrated
from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.envs.gymnasium.building import Host, build_host, built, closes_environments
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.named import attribute, factory
from handrail.envs.jax_libraries.own import OwnEnvironment
from handrail.envs.perturbed import changed_host
from handrail.experiments import launch
from handrail.experiments.launch import Which
from handrail.experiments.stored import names_code
from handrail.learners.sac.networks import OnVectors
from handrail.methods.sagui.cards import Limits
from handrail.methods.sagui.evaluations import evaluated, try_policy
from handrail.methods.sagui.guide_file import GUIDE
from handrail.methods.sagui.pair import pair_row
from handrail.methods.sagui.problem import interface_of
from handrail.train.evaluate import evaluate_on_host
from handrail.train.evaluate_pair import try_compiled, try_under
from handrail.train.rollout.base import Episodes

OWN: Mapping[str, Callable[[Path, Which], Path]] = {
    "own student": launch.policy_file,
    "own dqn": launch.policy_file,
    "own guide": lambda folder, which: folder / GUIDE if which == "last" else _no_best(folder),
}
"""By what a run of an own environment says it is for, the file of its policy."""


@dataclasses.dataclass(frozen=True)
class OwnRun:
    """A run in an environment of the user's, as its `run.json` has it."""

    purpose: str
    environment: str
    """Its name, for messages."""
    given: str | None
    """The id that it was built from; None where a function built it."""
    cost: str | None
    """The name of the function that said what its steps cost; None where the environment did."""
    limits: Mapping[str, float]
    """Of several costs of a run whose policy's file has none."""
    episode_length: int


def evaluate(
    folder: Path,
    *,
    episodes: int,
    seed: int,
    which: Which = "last",
    environment: str | None = None,
    cost_fn: str | None = None,
    episode_length: int | None = None,
    shielded: bool = False,
    knowledge_folder: Path = Path("runs"),
    files: Mapping[str, Path] | None = None,
    intervention: str | None = None,
    view: str | None = None,
    changes: Changes = NOTHING_CHANGED,
) -> dict[str, Any]:
    """Means over whole episodes of a finished run's own policy, without intervention, and if
    `shielded` those of the policy together with its intervention.

    Students and guides sample, as they are tested in training; Q-functions act greedily.

    Args:
        folder: of the run.
        episodes: to run.
        seed: of the evaluation.
        which: the last policy, or the best of those that kept the limit alone.
        environment: of a run in an environment of the user's, as of `handrail check-env`; by
            default the id that the run was given, if it can be made.
        cost_fn: MODULE:NAME of its cost function, if it has one.
        episode_length: its time limit in steps; by default that of the run.
        shielded: also test the pair: under a guide, a shield or checks a policy may be safer than
            alone, and a filter that lets enough through costs no return (arXiv:2510.18082).
        knowledge_folder: where knowledge of the papers' tasks is looked for, besides near the run.
        files: of the run's knowledge, by kind, where it is not found beside the run.
        intervention: MODULE:NAME of the shield that the run was given, if it was given one.
        view: MODULE:NAME of the guide's view, if the run was given one.
        changes: how the world differs from the one that was learnt in.

    Raises `HandrailError` where there is no finished run, or where the policy does not fit.
    """
    run, files = read_own(folder), files or {}
    own = (cost_fn, episode_length, intervention, view)
    if run is None:
        unwanted = environment is not None and not names_code(folder)
        if unwanted or any(given is not None for given in own):
            raise HandrailError(
                f"the run in {folder} says itself what it ran in: leave --environment, --cost-fn, "
                "--episode-length, --intervention and --view out"
            )
        return launch.evaluate(
            folder, episodes=episodes, seed=seed, which=which, shielded=shielded,
            knowledge_folder=knowledge_folder, files=files, environment=environment,
            changes=changes,
        )  # fmt: skip
    beside = Beside(folder, files.get("guide"), intervention, view)
    launch.check_evaluation(folder, episodes, seed)
    file = OWN[run.purpose](folder, which)
    make = factory_of(folder, run, environment, cost_fn)
    cost = None if cost_fn is None else attribute(cost_fn, "--cost-fn")
    return evaluate_own(
        run, file, make, cost=cost, episodes=episodes, seed=seed, episode_length=episode_length,
        beside=beside if shielded else None, changes=changes,
    )  # fmt: skip


@closes_environments
def evaluate_own(
    run: OwnRun,
    file: Path,
    make: Callable[[], Any],
    *,
    cost: CostFn | None,
    episodes: int,
    seed: int,
    episode_length: int | None,
    beside: Beside | None = None,
    changes: Changes = NOTHING_CHANGED,
) -> dict[str, Any]:
    """Tests the policy in `file`, of `run`, in the environment that `make` builds, changed so; with
    what is `beside` it, also together with its intervention.

    Whether it keeps its limit is left open (None) in episodes of another length than the run's,
    and left out where the run has no limit.
    """
    card = card_of_policy(file)
    limits = Limits.read(card, source=str(file)) if "limit" in card.spec else None
    several = run.limits if limits is None else limits.several
    longest = run.episode_length if episode_length is None else episode_length
    env = built(make)
    host = build_host(
        lambda: env, cost=cost, limits=several or None, parts=parts_of(env, card),
        episode_length=longest,
    )  # fmt: skip
    interface, key = interface_of(host, longest), jax.random.key(seed)
    policy, world = (
        open_networks(file, card, interface),
        changed_host(host, changes, name=host.name),
    )
    if isinstance(policy, OnVectors):
        done = try_policy(world, policy, episodes=episodes, longest=longest, key=key)
    else:
        done = _greedy(world, policy, episodes=episodes, longest=longest, key=key)
    limit = host.limit if limits is None else limits.limit
    found = evaluated(done, limit, host.limits)
    if beside is not None:
        shield, _ = intervention_of_own(beside, run.purpose, host, interface, longest=longest)
        pair = try_under(world, acting(policy), shield, episodes=episodes, longest=longest, key=key)
        found |= pair_row(pair, limit, host.limits)
    if longest != run.episode_length:
        for name in found.keys() & {"within_limit", "shielded_within_limit"}:
            found[name] = None  # the limit is one of longer or shorter episodes
    unsaid = () if limit is not None else ("limit", "within_limit", "shielded_within_limit")
    return {name: value for name, value in found.items() if name not in unsaid}


def _greedy(
    host: Host, values: Values, *, episodes: int, longest: int, key: Key[Array, ""]
) -> Episodes:
    """Episodes in which the action of the highest value is taken."""
    if isinstance(host, OwnEnvironment):
        return try_compiled(host, acting(values), keys=jax.random.split(key, episodes))

    def greedy(observation: Any) -> np.int32:
        return np.int32(np.argmax(values(observation)))

    return evaluate_on_host(host, lambda key: greedy, episodes=episodes, longest=longest, key=key)


def read_own(folder: Path) -> OwnRun | None:
    """What `run.json` says of a run in an environment of the user's; None of another run.

    Raises `HandrailError` where the run learnt no policy for a task, or says something else than
    such runs do.
    """
    path = folder / "run.json"
    if not path.is_file():
        return None
    stored = migrated(read_json(path), str(path))
    purpose = stored.get("purpose")
    if not isinstance(purpose, str):
        return None
    if purpose not in OWN:
        raise HandrailError(
            f"{folder} holds what was learnt as {message(purpose)!r}, not a policy for a task; "
            "`handrail inspect FILE` shows what there is"
        )
    settings = mapping(stored.get("run"))
    passed = mapping(stored.get(PASSED))
    cost, given = passed.get("cost"), mapping(passed.get("environment")).get("given")
    name = stored.get("environment", settings.get("environment"))
    length = stored.get("episode_length", settings.get("episode_length"))
    if not isinstance(name, str) or type(length) is not int or length < 1:
        raise HandrailError(
            f"{path} is of another version of handrail: it says no environment or episode_length"
        )
    return OwnRun(
        purpose=purpose,
        environment=name,
        given=given if isinstance(given, str) else None,
        cost=None if cost is None else str(mapping(cost).get("function", "an object")),
        limits={
            cost: number(value, f"{path}: the limit of {cost!r}", least=0)
            for cost, value in mapping(stored.get("limits")).items()
        },
        episode_length=length,
    )


def factory_of(
    folder: Path, run: OwnRun, environment: str | None, cost_fn: str | None
) -> Callable[[], Any]:
    """What builds the environment of a run. Raises `HandrailError` where its cost function, or the
    environment, has to be named.
    """
    make = factory(_environment(folder, run) if environment is None else environment)
    if cost_fn is None and run.cost is not None:
        raise HandrailError(
            f"{folder}: this run was trained with a cost function of yours "
            f"({message(run.cost)}): add --cost-fn MODULE:FUNCTION"
        )
    return make


def _environment(folder: Path, run: OwnRun) -> str:
    """The id that a run was given, if it is known here. It is data: no module is imported for it,
    and no function of that name is called.
    """
    import gymnasium

    if run.given is not None and run.given in gymnasium.registry:
        return run.given
    raise HandrailError(
        f"{folder}: this run is of your own environment ({message(run.environment)}): add "
        "--environment MODULE:ID, or MODULE:FUNCTION that builds it"
    )


def _no_best(folder: Path) -> Path:
    raise HandrailError(
        f"{folder} is a guide's run, of which {GUIDE} is the best already; leave --policy out"
    )
