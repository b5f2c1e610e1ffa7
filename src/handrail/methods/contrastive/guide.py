"""A guide for numbered actions: it knows what an action costs, and is random among the safe ones.

SaGui's guide (arXiv:2307.14316) in the place of the better action of contrastive safe exploration
(arXiv:2503.10318): learnt in the source without reward, so that it fits any task of the target.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from handrail.core.types import Observation
from handrail.envs.base import AbstractEnvironment
from handrail.envs.wrappers import Rewarded, minus_cost
from handrail.interventions.asked import vector
from handrail.methods.contrastive.artefacts import save_q
from handrail.methods.contrastive.built import QNetwork
from handrail.methods.contrastive.prior import learn_q
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import AvoidanceSettings
from handrail.train.course import Course, coursed


class SoftmaxGuide(eqx.Module):
    """Acts with probabilities proportional to exp(Q(s, a) / temperature).

    Q is the discounted cost, times −1, so this is the policy of highest entropy at the price
    1 / temperature of a cost. A value that is not finite counts as the lowest of those that are;
    where none is, any action may be drawn.
    """

    values: Callable[[Observation], Float[Array, " actions"]]
    temperature: float = eqx.field(static=True)

    def __call__(
        self, observation: Observation, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], dict[str, Array]]:
        values = vector("the guide", self.values(observation))
        finite = jnp.isfinite(values)
        lowest = jnp.where(finite.any(), jnp.min(jnp.where(finite, values, jnp.inf)), 0.0)
        logits = jnp.where(finite, values, lowest) / self.temperature
        return jax.random.categorical(key, logits).astype(jnp.int32), {}


@coursed
def train_avoidance(
    problem: DiscreteProblem,
    settings: AvoidanceSettings,
    folder: Path,
    path: Path,
    *,
    recorded: Mapping[str, Any],
    provenance: Mapping[str, Any],
    report: Callable[[int, int], None] = lambda step, total: None,
) -> Course[Path]:
    """Learns the guide's Q-function of cost in a compiled problem; returns its file.

    Arguments as of `encoder.train_encoder`. What has been finished before is not repeated.
    """
    assert isinstance(problem.environment, AbstractEnvironment)
    network = yield from learn_q(
        problem, Rewarded(problem.environment, minus_cost), settings.learning, settings.steps,
        folder, recorded, provenance, seed=settings.seed,
        report=lambda name, step, total: report(step, total),
    )  # fmt: skip
    if not path.exists():
        save_q(path, "guide", problem, QNetwork.of(settings.learning), network, provenance)
    return path
