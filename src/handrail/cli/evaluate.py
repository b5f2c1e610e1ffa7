"""What `handrail evaluate` does: a run's policy by itself, in the papers' tasks or in one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.api.policies import Values
from handrail.cli.own_runs import Named, OwnRun, acting, open_run, read_own
from handrail.core.errors import HandrailError
from handrail.envs.changes import NOTHING_CHANGED, Changes
from handrail.envs.gymnasium.building import Host, closes_environments
from handrail.envs.jax_libraries.own import OwnEnvironment
from handrail.envs.perturbed import changed_host
from handrail.experiments import launch
from handrail.experiments.launch import Which
from handrail.experiments.stored import names_code
from handrail.learners.sac.host_policy import best_allowed
from handrail.learners.sac.networks import OnVectors
from handrail.methods.sagui.evaluations import evaluated, try_policy
from handrail.methods.sagui.pair import pair_row
from handrail.train.evaluate import evaluate_on_host
from handrail.train.evaluate_pair import try_compiled, try_under
from handrail.train.rollout.base import Episodes


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
        environment: of a run in an environment of the user's, as of `own_runs.Named`; likewise
            `cost_fn`, `episode_length`, `intervention` and `view`.
        shielded: also test the pair: under a guide, a shield or checks a policy may be safer than
            alone, and a filter that lets enough through costs no return (arXiv:2510.18082).
        knowledge_folder: where knowledge of the papers' tasks is looked for, besides near the run.
        files: of the run's knowledge, by kind, where it is not found beside the run.
        changes: how the world differs from the one that was learnt in.

    Raises `HandrailError` where there is no finished run, or where the policy does not fit.
    """
    run, files = read_own(folder), files or {}
    if run is not None:
        named = Named(
            environment, cost_fn, episode_length, files.get("guide"), intervention, view
        )  # fmt: skip
        launch.check_evaluation(folder, episodes, seed)
        return _of_own(
            run, named, which, episodes=episodes, seed=seed, shielded=shielded, changes=changes
        )
    unwanted = environment is not None and not names_code(folder)
    own = (cost_fn, episode_length, intervention, view)
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


@closes_environments
def _of_own(
    run: OwnRun, named: Named, which: Which, *, episodes: int, seed: int, shielded: bool,
    changes: Changes,
) -> dict[str, Any]:  # fmt: skip
    """Of a run in an environment of the user's, changed so.

    Whether the policy keeps its limit is left open (None) in episodes of another length than the
    run's, and left out where the run has no limit.
    """
    opened, key = open_run(run, named, which), jax.random.key(seed)
    host, policy, limits, longest = opened.host, opened.policy, opened.limits, opened.longest
    world = changed_host(host, changes, name=host.name)
    if isinstance(policy, OnVectors):
        done = try_policy(world, policy, episodes=episodes, longest=longest, key=key)
    else:
        done = _greedy(world, policy, episodes=episodes, longest=longest, key=key)
    limit = host.limit if limits is None else limits.limit
    found = evaluated(done, limit, host.limits)
    if shielded:
        shield, _ = opened.intervention()
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
        return np.int32(best_allowed(values, observation))

    return evaluate_on_host(host, lambda key: greedy, episodes=episodes, longest=longest, key=key)
