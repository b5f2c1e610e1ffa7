"""What stands between an agent and its world: weak actuators, delays, disturbances, noise.

A perturbation is pure and knows nothing of the environment, so that compiled environments
(`perturbed.Perturbed`) and those on the host (`perturbed.HostPerturbed`) share it. All that is
random in an episode comes from the episode's key and the number of the step.
"""

import abc
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Action, Observation
from handrail.envs.base import ActionSpace, BoxActions
from handrail.envs.changes import Changes

HELD = 30
"""Steps for which a random action disturbs: a robot gets up to speed."""


class AbstractPerturbation(eqx.Module):
    """What becomes of actions before they are executed, and of observations before they are seen.

    By default nothing does.
    """

    def init(self, zero: Action) -> Any:
        """What is remembered at the beginning of an episode; `zero` is an action of zeros."""
        return ()

    def act(
        self, memory: Any, action: Action, step: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[Any, Action]:
        """What is executed in the step `step` of the episode with this key, from 0."""
        return memory, action

    def observe(
        self, observation: Observation, step: Int[Array, ""], key: Key[Array, ""]
    ) -> Observation:
        """What is seen after so many steps."""
        return observation

    @abc.abstractmethod
    def check(self, actions: ActionSpace) -> None:
        """Raises `HandrailError` for actions that it cannot be applied to."""


class AbstractActionPerturbation(AbstractPerturbation):
    """Of real actions."""

    def check(self, actions: ActionSpace) -> None:
        if not isinstance(actions, BoxActions):
            raise HandrailError(
                f"gain, delay and disturbance are for real actions, but there are {actions.n} "
                "discrete ones: leave them out"
            )


class Gain(AbstractActionPerturbation):
    """Actions are multiplied by a factor, then clipped to [-1, 1]."""

    factor: float | Float[Array, ""]

    def act(
        self, memory: Any, action: Action, step: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[Any, Action]:
        return memory, jnp.clip(self.factor * jnp.clip(action, -1.0, 1.0), -1.0, 1.0)


class Delay(AbstractActionPerturbation):
    """The action of `steps` steps ago is executed; zeros before there is one."""

    steps: int | Int[Array, ""]
    longest: int = eqx.field(static=True)  # at least `steps`, which may be an array

    @staticmethod
    def of(steps: int) -> "Delay":
        """By a number of steps that is known now."""
        return Delay(steps, steps)

    def init(self, zero: Action) -> Float[Array, "longest action"]:
        return jnp.zeros((self.longest, *zero.shape), zero.dtype)

    def act(
        self, memory: Any, action: Action, step: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[Any, Action]:
        latest = jnp.concatenate([jnp.asarray(action, memory.dtype)[None], memory])
        return latest[:-1], latest[self.steps]


class Disturbance(AbstractActionPerturbation):
    """A share of the executed action is a uniformly random one, held for `HELD` steps."""

    share: float | Float[Array, ""]

    def act(
        self, memory: Any, action: Action, step: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[Any, Action]:
        held = stream(key, "disturbance", step // HELD)
        other = jax.random.uniform(held, action.shape, action.dtype, minval=-1, maxval=1)
        return memory, (1 - self.share) * jnp.clip(action, -1.0, 1.0) + self.share * other


class SensorNoise(AbstractPerturbation):
    """Gaussian noise on every number that is observed, `level` times the scale of its part."""

    level: float | Float[Array, ""]
    scales: tuple[tuple[str, float], ...] = eqx.field(static=True, default=())  # else 1

    def check(self, actions: ActionSpace) -> None:
        """It fits all actions."""

    def observe(
        self, observation: Observation, step: Int[Array, ""], key: Key[Array, ""]
    ) -> Observation:
        named = isinstance(observation, Mapping)
        parts = observation if named else {"": observation}
        scales = dict(self.scales)
        seen = {}
        for name, part in parts.items():
            if not jnp.issubdtype(jnp.result_type(part), jnp.floating):
                raise HandrailError(
                    f"noise is for real numbers, but {name or 'the observation'} is of "
                    f"{jnp.result_type(part)}: leave noise out"
                )
            drawn = jax.random.normal(stream(key, f"noise {name}", step), part.shape, part.dtype)
            seen[name] = part + self.level * scales.get(name, 1.0) * drawn
        return seen if named else seen[""]


def perturbations_of(
    changes: Changes, *, scales: Mapping[str, float], gain: bool = False
) -> tuple[AbstractPerturbation, ...]:
    """Those of a changed world, in the order in which an action meets them; none where it says so.

    `scales` are those of the observation's parts, 1 where nothing is said; `gain` whether its gain
    is one of actions, or left to the physics.
    """
    parts: list[AbstractPerturbation] = []
    if changes.disturbance:
        parts.append(Disturbance(changes.disturbance))
    if changes.delay:
        parts.append(Delay.of(changes.delay))
    if gain and changes.gain != 1:
        parts.append(Gain(changes.gain))
    if changes.noise:
        parts.append(SensorNoise(changes.noise, tuple(scales.items())))
    return tuple(parts)
