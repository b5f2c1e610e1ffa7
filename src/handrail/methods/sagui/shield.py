"""The shield test: what do random actions cost if a guide takes over where it predicts harm?

It needs no student. Both of a guide's tasks are tried at once: to know which action is too much,
and to avert what was about to happen.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from handrail.envs.base import AbstractEnvironment, ActionSpace
from handrail.envs.host import AnyEnvironment
from handrail.equations.interval import at_most
from handrail.interventions.base import AbstractTrigger, Intervention
from handrail.interventions.triggers import CostCriticExceeds
from handrail.methods.sagui.evaluations import cost_columns, tested
from handrail.train.numbers import name_of, refuse_bad_episodes
from handrail.train.rollout.base import EpisodePolicy, Episodes, RandomActions
from handrail.train.rollout.compiled import rollout
from handrail.train.rollout.drivers import Compiled
from handrail.train.rollout.host import rollout_on_host

LIMIT_COLUMNS = ("shielded_above", "shielded_above_at_most")
STEPS = 400
"""Of an episode of the test, at most."""
REPEAT = 30
"""Steps for which a random action is repeated: a robot gets up to speed."""


class Shield(eqx.Module):
    """The guide acts where it expects more than `threshold` of the proposed action: budget-switch;
    or where another trigger, `when`, fires.
    """

    guide: Any  # with `cost(observation, action)` and a `policy`
    threshold: float | Float[Array, ""]  # discounted cost, from the action on
    when: AbstractTrigger | None = None

    def __call__(self, key: Key[Array, ""], number: Int[Array, ""]) -> Intervention:
        """That of the episode with this key."""
        acts = EpisodePolicy(self.guide.policy.act, "averted", key)
        plain = CostCriticExceeds(self.guide.cost, self.threshold)
        return Intervention(plain if self.when is None else self.when, acts)


def random_actions(actions: ActionSpace) -> RandomActions:
    """What is proposed in the test: uniformly random actions, each for `REPEAT` steps."""
    return RandomActions(actions, REPEAT, "held")


def evaluate_shield(
    environment: AnyEnvironment,
    guide: Any,
    *,
    threshold: float,
    when: AbstractTrigger | None = None,
    episodes: int,
    longest: int | None = None,
    key: Key[Array, ""],
) -> Episodes:
    """How random actions fare if the guide acts where it expects more than `threshold` of them, or
    where `when` fires.

    `guide` may be asked in its source or, through its view, in the target. Environments on the
    host lose the episodes that they are in; there an episode is cut off after `longest` steps.
    """
    if isinstance(environment, AbstractEnvironment):
        done = shielded(environment, Shield(guide, threshold, when), episodes, key)
        refuse_bad_episodes(done, name_of(environment))
        return done
    driver = Compiled(
        random_actions(environment.actions), Shield(guide, jnp.float32(threshold), when)
    )
    keys = jax.random.split(key, episodes)
    return rollout_on_host(environment, driver, keys=keys, longest=longest)


@eqx.filter_jit
def shielded(
    environment: AbstractEnvironment, shield: Shield, episodes: int, key: Key[Array, ""]
) -> Episodes:
    """The test in a compiled environment."""
    proposed = random_actions(environment.actions)
    return rollout(environment, proposed, shield, keys=jax.random.split(key, episodes))


def takeover_table(
    environment: AnyEnvironment,
    guide: Any,
    takeover_costs: Sequence[float],
    *,
    limit: float,
    limits: Mapping[str, float],
    per_steps: int,
    when: Callable[[float], AbstractTrigger] | None = None,
    **options: Any,
) -> list[dict[str, float]]:
    """The test at each of several predicted costs, with the same episodes and random actions; rows
    as of `shield_row`, options as of `evaluate_shield`. `when` is the trigger at a predicted cost,
    by default that the guide expects more.
    """

    def tried(cost: float) -> Episodes:
        trigger = None if when is None else when(cost)
        return evaluate_shield(environment, guide, threshold=cost, when=trigger, **options)

    return [
        shield_row(
            tried(cost), cost,
            limit=limit, limits=limits, per_steps=per_steps,
        )
        for cost in takeover_costs
    ]  # fmt: skip


def proposed(rows: Sequence[Mapping[str, float]], limit: float) -> Mapping[str, float]:
    """Of the tests that keep the limit the one in which the guide acted least; if none does, the
    one of the lowest cost.
    """
    safe = [row for row in rows if row["shielded_cost"] <= limit]
    if safe:
        return min(safe, key=lambda row: row["shielded_share"])
    return min(rows, key=lambda row: row["shielded_cost"])


def shield_columns(limits: Mapping[str, float]) -> tuple[str, ...]:
    """What `shield_row` says, where these are the limits of several costs."""
    return (
        "shielded_cost", "shielded_share", *cost_columns("shielded_", limits),
        "takeover_cost", *LIMIT_COLUMNS,
    )  # fmt: skip


def broken_limits(above: int, episodes: int) -> dict[str, float]:
    """How many episodes of a test broke their limit, as a share, and its upper bound."""
    return dict(zip(LIMIT_COLUMNS, (above / episodes, at_most(above, episodes)), strict=True))


def shield_row(
    done: Episodes, threshold: float, *, limit: float, limits: Mapping[str, float], per_steps: int
) -> dict[str, float]:
    """A test in numbers: `shielded_cost` is undiscounted and of `per_steps` steps, like a limit (of
    several costs the one nearest to its limit, and each by its name), `shielded_share` is the share
    of the steps that were the guide's, and `takeover_cost` the predicted cost at which it took
    over. `shielded_above` is the share of episodes that cost more than `limit`, of `per_steps`
    steps, allows in their length (of several costs by their sum), and `shielded_above_at_most`
    what that share is at most in the long run, with 95 % confidence.
    """
    row = {
        "shielded_cost": done.cost_in(per_steps),
        "shielded_share": done.intervention_rate,
        "takeover_cost": threshold,
        **broken_limits(done.above(limit, per_steps), len(done.costs)),
    }
    if not limits:
        return row
    means = tested(done, limits)
    scale = per_steps * len(done.lengths) / float(np.asarray(done.lengths, np.float64).sum())
    return row | {
        f"shielded_{name}": means[name] * scale for name in ("cost", *cost_columns("", limits))
    }
