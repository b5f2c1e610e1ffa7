"""Triggers: WHEN to step in. They compose with `&` and `|`."""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Context, Memory, Observation, Transition
from handrail.equations.safety_checks import is_below_mean
from handrail.interventions.asked import ask, check_compared, one_number, one_truth, vector
from handrail.interventions.base import AbstractMemoryless, AbstractTrigger, Threshold, Verdict


class Always(AbstractMemoryless):
    """Steps in at every step (GUISAM; a shield whose substitute decides for itself)."""

    stream: ClassVar[str] = "Always"

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        return Verdict(jnp.array(True), {})


class Never(AbstractMemoryless):
    """Never steps in (STUSAM; plain learning)."""

    stream: ClassVar[str] = "Never"

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        return Verdict(jnp.array(False), {})


class Coin(AbstractMemoryless):
    """Fires with a fixed probability (ρ of arXiv:2503.10318 and arXiv:1909.04307)."""

    stream: ClassVar[str] = "Coin"
    probability: float = eqx.field(converter=float, static=True)

    def __check_init__(self):
        check_compared("probability", self.probability)

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("coin", self.probability, "below"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        return Verdict(jax.random.uniform(key) < self.probability, {})


class IntervalCoin(AbstractMemoryless):
    """Fires for whole intervals of steps: one coin for each of them (beyond the papers).

    The coins depend on `key` and the step alone, so a substitute can know its interval.
    """

    stream: ClassVar[str] = "Spells"
    probability: float = eqx.field(converter=float, static=True)
    length: int = eqx.field(static=True)  # steps
    key: Key[Array, ""]

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        coin = jax.random.uniform(stream(self.key, "spell", context.step // self.length))
        fires = coin < self.probability
        return Verdict(fires, {"interval": fires})


class BelowMean(AbstractMemoryless):
    """The action check: the prior values the proposed action below the state's mean.

    Fires iff Q_p(s, a) − mean_b Q_p(s, b) < threshold (arXiv:1909.04307; arXiv:2503.10318),
    and where a value is not finite. Reports `prior_advantage` and `action_check`.
    """

    stream: ClassVar[str] = "BelowMean"
    prior: Callable[[Observation], Float[Array, " actions"]]
    threshold: float = eqx.field(default=0.0, static=True)

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("prior_advantage", self.threshold, "below"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        values = vector("the prior", ask("the prior", self.prior, context.observation))
        unknown = ~jnp.isfinite(values).all()
        fires = is_below_mean(values, context.proposed, self.threshold) | unknown
        advantage = values[context.proposed] - values.mean()
        return Verdict(fires, {"prior_advantage": advantage, "action_check": fires}, unknown)


class AfterFirstCost(AbstractTrigger):
    """Latched by the first cost of the episode, from the next step to its end.

    A cost that is not finite latches it, too.
    Control-switch (arXiv:2307.14316) and the takeover of EGPO as that paper adapts it.
    """

    stream: ClassVar[str] = "AfterFirstCost"

    def init(self) -> Bool[Array, ""]:
        return jnp.array(False)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        return Verdict(memory, {"latched": memory})

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        ended = transition.terminated | transition.truncated
        costly = (transition.cost > 0) | ~jnp.isfinite(transition.cost)
        return (memory | costly) & ~ended


class LinearDecay(AbstractTrigger):
    """A coin whose probability falls linearly from 1 to 0 over the run (arXiv:2307.14316).

    An episode is step-wise (a coin every step) with probability 1 − progress, else
    trajectory-wise (one coin for the whole episode); a run begins step-wise.
    """

    stream: ClassVar[str] = "LinearDecay"

    def init(self) -> dict[str, Array]:
        return {"stepwise": jnp.array(True), "coin": jnp.array(0.0)}

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        probability = 1.0 - context.progress
        coin = jnp.where(memory["stepwise"], jax.random.uniform(key), memory["coin"])
        return Verdict(coin < probability, {"guide_probability": probability})

    def observe(
        self, memory: Memory, context: Context, transition: Transition, *, key: Key[Array, ""]
    ) -> Memory:
        mode, coin = jax.random.uniform(key, (2,))
        drawn = {"stepwise": mode < 1.0 - context.progress, "coin": coin}
        ended = transition.terminated | transition.truncated
        return jax.tree.map(lambda new, old: jnp.where(ended, new, old), drawn, memory)


class CostCriticExceeds(AbstractMemoryless):
    """The guide's own cost critic, asked about the action that the learner proposes.

    `critic(observation, action)` is an expected discounted cost-return and so is `threshold`
    (see `handrail.equations.budget` for limits per episode). It also fires where the value is not
    finite. Beyond both papers.
    """

    stream: ClassVar[str] = "CostCriticExceeds"
    critic: Callable[[Observation, Array], Float[Array, ""]]
    threshold: float | Float[Array, ""]

    def __check_init__(self):
        check_compared("threshold", self.threshold)

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("predicted_cost", self.threshold, "above"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        what = "the cost critic"
        value = one_number(what, ask(what, self.critic, context.observation, context.proposed))
        unknown = ~jnp.isfinite(value)
        return Verdict((value > self.threshold) | unknown, {"predicted_cost": value}, unknown)


class BudgetSpent(AbstractMemoryless):
    """The cost of this episode (undiscounted) has reached the limit, or is no finite number.

    A limit of 0 is reached by the first cost.
    """

    stream: ClassVar[str] = "BudgetSpent"
    limit: float = eqx.field(static=True)

    def __check_init__(self):
        check_compared("limit", self.limit)

    def thresholds(self) -> tuple[Threshold, ...]:
        return (Threshold("episode_cost", self.limit, "from"),)

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        unknown = ~jnp.isfinite(context.episode_cost)
        spent = (context.episode_cost >= self.limit) & (context.episode_cost > 0)
        fires = spent | unknown
        return Verdict(fires, {"budget_spent": fires}, unknown)


class FromStep(AbstractMemoryless):
    """Fires from the step `first` of every episode to its end; steps count from 0."""

    stream: ClassVar[str] = "FromStep"

    first: int | Int[Array, ""]

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        return Verdict(context.episode_step >= self.first, {})


class Predicate(AbstractMemoryless):
    """A user's own condition on the context: the WHEN of a shield.

    `condition(context)` gives one truth (shape `()`), or a number of which 0 is false and NaN
    means "step in". It is compiled: ordinary Python (`if`, NumPy) needs `handrail.on_host`.
    """

    stream: ClassVar[str] = "Predicate"
    condition: Callable[[Context], Bool[Array, ""]]

    def __check_init__(self):
        if not callable(self.condition):
            raise HandrailError(
                f"the predicate is {self.condition!r}; expected a function of the context that "
                "gives one truth"
            )

    def __call__(self, context: Context, memory: Memory, *, key: Key[Array, ""]) -> Verdict:
        fires, unknown = one_truth("the predicate", ask("the predicate", self.condition, context))
        return Verdict(fires, {"predicate": fires}, unknown)
