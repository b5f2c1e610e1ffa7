"""Compiled environments stepped from the host."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHostEnvironment, HostTimestep


class OnHost(AbstractHostEnvironment):
    """A compiled environment stepped from the host, for comparison with the compiled loop."""

    def __init__(self, environment: AbstractEnvironment):
        self.environment = environment
        self.actions = environment.actions
        self._reset = jax.jit(lambda key: environment.reset(key=key))
        self._step = jax.jit(lambda state, action, key: environment.step(state, action, key=key))
        self._now: Any = None

    def reset(self, *, key: Key[Array, ""]) -> Any:
        self._now = self._reset(key)
        return self._now[1]

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        state, timestep = self._step(self._now[0], action, key)
        self._now = state, timestep.observation
        return HostTimestep(
            timestep.observation, timestep.reward, timestep.cost,
            timestep.terminated, timestep.truncated,
        )  # fmt: skip

    def snapshot(self) -> dict[str, np.ndarray] | None:
        leaves = jax.tree.leaves(self._now)
        return {str(number): np.asarray(leaf) for number, leaf in enumerate(leaves)}

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        like = jax.eval_shape(lambda key: self.environment.reset(key=key), jax.random.key(0))
        leaves = [snapshot[str(number)] for number in range(len(snapshot))]
        self._now = jax.tree.unflatten(jax.tree.structure(like), leaves)
        return self._now[1]
