"""Bellman operators: what a value should move towards."""

import abc

import equinox as eqx
from jaxtyping import Array, Float, Int

from handrail.equations.td import advantage_learning_target, double_q_target, max_target

Scalar = Float[Array, ""]
Values = Float[Array, " actions"]


class AbstractOperator(eqx.Module):
    """The target of one transition.

    `online_next` and `target_next` are the values of the next observation under the online
    and the target network, `target_now` those of the current one under the target network;
    `discount` is 0 after a terminal step.
    """

    @abc.abstractmethod
    def __call__(
        self,
        reward: Scalar,
        discount: Scalar,
        action: Int[Array, ""],
        *,
        online_next: Values,
        target_next: Values,
        target_now: Values,
    ) -> Scalar:
        """The target value."""


class DoubleQ(AbstractOperator):
    """The online network chooses, the target network rates (van Hasselt et al. 2016)."""

    def __call__(self, reward, discount, action, *, online_next, target_next, target_now):
        return double_q_target(reward, discount, target_next, online_next)


class MaxQ(AbstractOperator):
    """The target network chooses and rates; the prior is trained so in arXiv:2503.10318."""

    def __call__(self, reward, discount, action, *, online_next, target_next, target_now):
        return max_target(reward, discount, target_next)


class AdvantageLearning(AbstractOperator):
    """Double Q less a share of the action gap (Bellemare et al. 2016): widens the gap.

    Beyond the paper; see the experiment `lava-gamma`.
    """

    coefficient: float = eqx.field(default=0.5, static=True)

    def __call__(self, reward, discount, action, *, online_next, target_next, target_now):
        target = double_q_target(reward, discount, target_next, online_next)
        return advantage_learning_target(target, target_now, action, self.coefficient)
