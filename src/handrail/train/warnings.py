"""How right triggers are: where they fire, does harm follow? On the same recorded states.

Nobody steps in meanwhile, since what has been averted cannot be seen.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from handrail.core.types import Context, Decision
from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHost, AnyEnvironment
from handrail.interventions.base import AbstractTrigger
from handrail.interventions.watched import watched
from handrail.train.rollout.base import EveryEpisode, RolloutPolicy, Steps
from handrail.train.rollout.compiled import rollout
from handrail.train.rollout.drivers import Compiled
from handrail.train.rollout.host import rollout_on_host
from handrail.train.step_statistics import precision_and_recall

Truths = Bool[np.ndarray, "episodes steps"]


def watch(
    environment: AnyEnvironment,
    policy: RolloutPolicy,
    triggers: Mapping[str, AbstractTrigger],
    *,
    keys: Key[Array, " episodes"],
    longest: int | None = None,
) -> Steps:
    """The steps of whole episodes of a policy by itself; their records say by the name of each
    trigger where it would have fired.
    """
    shield = EveryEpisode(watched(triggers))
    if isinstance(environment, AbstractHost):
        driver = Compiled(policy, shield, record=_fired, at_once=True)
        done = rollout_on_host(environment, driver, keys=keys, longest=longest)
    else:
        done = _compiled(environment, policy, shield, keys)
    assert done.steps is not None
    return done.steps


def _fired(key: Key[Array, ""], context: Context, decision: Decision) -> dict[str, Array]:
    return dict(decision.evidence)


@eqx.filter_jit
def _compiled(environment: AbstractEnvironment, policy: Any, shield: Any, keys: Any) -> Any:
    return rollout(environment, policy, shield, keys=keys, record=_fired)


def harm_follows(
    costs: Float[np.ndarray, "episodes steps"], running: Truths, within: int
) -> Truths:
    """Whether one of the `within` steps from each on has a cost, itself included.

    What would have followed the end of an episode is not known, and counts as no harm.
    """
    harmed = ((costs > 0) | ~np.isfinite(costs)) & running
    before = np.concatenate([np.zeros((len(costs), 1), int), harmed.cumsum(axis=1)], axis=1)
    steps = np.arange(costs.shape[1])
    until = np.minimum(steps + within, costs.shape[1])
    return before[:, until] > before[:, steps]


def incidents(costs: Float[np.ndarray, "episodes steps"], running: Truths, within: int) -> Truths:
    """The steps in which harm begins: with a cost, after `within` steps without any."""
    harmed = ((costs > 0) | ~np.isfinite(costs)) & running
    return harmed & ~_shifted(_in_the_last(harmed, within))


def rate(steps: Steps, fires: Any, *, within: int) -> dict[str, float]:
    """How right a trigger was that fired so, in shares; NaN where there is nothing to count.

    `fired` of the steps; `precision`: where it fired, harm followed within so many steps; `recall`:
    where harm followed, it fired; `foreseen`: incidents before which, or at which, it fired within
    so many steps.
    """
    running, costs = np.asarray(steps.running, bool), np.asarray(steps.costs)
    fires = np.asarray(fires, bool) & running
    truth = harm_follows(costs, running, within)
    confusion = np.array(
        [[np.sum((truth == said) & (fires == did) & running) for did in (False, True)]
         for said in (False, True)]
    )  # fmt: skip
    precision, recall = precision_and_recall(confusion)
    began = incidents(costs, running, within)
    warned = began & _in_the_last(fires, within)
    return {
        "fired": float(fires.sum() / running.sum()),
        "precision": precision,
        "recall": recall,
        "foreseen": float(warned.sum() / began.sum()) if began.any() else float("nan"),
    }


def _in_the_last(truths: Truths, steps: int) -> Truths:
    """Whether one of the last `steps` entries is true, itself included."""
    count = np.concatenate([np.zeros((len(truths), 1), int), truths.cumsum(axis=1)], axis=1)
    here = np.arange(1, truths.shape[1] + 1)
    return count[:, here] > count[:, np.maximum(here - steps, 0)]


def _shifted(truths: Truths) -> Truths:
    """Of the step before."""
    return np.concatenate([np.zeros((len(truths), 1), bool), truths[:, :-1]], axis=1)
