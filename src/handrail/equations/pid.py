"""A multiplier that is steered by a PID controller (Stooke, Achiam & Abbeel, arXiv:2007.03964).

As OmniSafe's code computes it: moving averages from 0 without bias correction, a derivative that
only brakes rises, an integral that starts at the first multiplier.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.errors import HandrailError

Costs = Float[Array, "*costs"]


class PidState(eqx.Module):
    """The controller between two updates; of several costs an entry each."""

    multiplier: Costs
    integral: Costs
    excess: Costs  # moving average of cost − limit
    cost: Costs  # moving average of the cost
    earlier: Float[Array, "delay *costs"]  # such averages of the last updates, the oldest first


@dataclasses.dataclass(frozen=True)
class Pid:
    """The gains and memories of the controller."""

    proportional: float = 0.1
    """Multiplier per unit of smoothed excess, K_p."""
    integral: float = 0.01
    """Multiplier per unit of excess and update, K_i."""
    derivative: float = 0.01
    """Multiplier per unit of rise of the smoothed cost over `delay` updates, K_d."""
    delay: int = 10
    """Updates over which a rise counts."""
    excess_memory: float = 0.95
    """Share of the moving average of the excess that an update keeps."""
    cost_memory: float = 0.95
    """Share of the moving average of the cost that an update keeps."""
    first: float = 0.001
    """The multiplier, and the integral, before the first update."""
    highest: float = 1e6
    """The highest multiplier."""
    highest_integral: float = 1e6
    """The highest integral."""

    def __post_init__(self):
        for name in ("proportional", "integral", "derivative", "first"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise HandrailError(f"{name} is {getattr(self, name)}: expected at least 0")
        for name in ("excess_memory", "cost_memory"):
            if not 0 <= getattr(self, name) < 1:
                raise HandrailError(
                    f"{name} is {getattr(self, name)}: expected a share from 0 to below 1, as 0.95"
                )
        if self.delay < 1:
            raise HandrailError(f"delay is {self.delay}: expected at least 1 update, such as 10")

    def init(self, costs: tuple[int, ...] = ()) -> PidState:
        """Before the first update; `costs` is the shape of the multiplier."""
        first, zeros = jnp.full(costs, self.first), jnp.zeros(costs)
        return PidState(first, first, zeros, zeros, jnp.zeros((self.delay, *costs)))

    def update(self, state: PidState, cost: Costs, limit: float) -> PidState:
        """After a cost was measured, on the same scale as its limit.

        λ = [K_p E_p(Δ) + I + K_d [E_d(C) − E_d(C)₋ₙ]₊]₊ with I ← [I + K_i Δ]₊ and Δ = C − limit.
        """
        over = cost - limit
        integral = jnp.clip(state.integral + self.integral * over, 0.0, self.highest_integral)
        keep, hold = self.excess_memory, self.cost_memory
        excess = keep * state.excess + (1 - keep) * over
        smoothed = hold * state.cost + (1 - hold) * cost
        rise = jnp.maximum(smoothed - state.earlier[0], 0.0)
        multiplier = self.proportional * excess + integral + self.derivative * rise
        earlier = jnp.concatenate([state.earlier[1:], smoothed[None]])
        multiplier = jnp.clip(multiplier, 0.0, self.highest)
        return PidState(multiplier, integral, excess, smoothed, earlier)
