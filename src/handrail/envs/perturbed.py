"""Environments under perturbations, compiled and on the host.

An agent learns from what it proposed: what a world makes of an action belongs to the world.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.informed import informed
from handrail.core.jax_setup import sequential_cpu_options
from handrail.core.rng import stream
from handrail.core.types import Action, Observation, Timestep
from handrail.envs.base import AbstractEnvironment, ActionSpace, zero_action
from handrail.envs.changes import Changes
from handrail.envs.host import AbstractHost, AbstractHostEnvironment, HostTimestep
from handrail.envs.host_wrappers import AbstractWrapped
from handrail.envs.perturbations import AbstractPerturbation, perturbations_of

OWN = "perturbed/"  # with which the names of a snapshot's own arrays begin


class Chain(eqx.Module):
    """Perturbations, one after another; randomness is of a stream of each one's place."""

    parts: tuple[AbstractPerturbation, ...]

    def init(self, zero: Action) -> tuple[Any, ...]:
        """What each remembers at the beginning of an episode."""
        return tuple(part.init(zero) for part in self.parts)

    def act(
        self, memory: tuple[Any, ...], action: Action, step: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[tuple[Any, ...], Action]:
        """What is executed."""
        after = []
        for part, own in zip(self.parts, memory, strict=True):
            remembered, action = part.act(own, action, step, key)
            after.append(remembered)
        return tuple(after), action

    def observe(
        self, observation: Observation, step: Int[Array, ""], key: Key[Array, ""]
    ) -> Observation:
        """What is seen."""
        for part in self.parts:
            observation = part.observe(observation, step, key)
        return observation


class PerturbedState(eqx.Module):
    """A world's own state, and what its perturbations need of the episode."""

    inner: PyTree
    memory: tuple[Any, ...]
    step: Int[Array, ""]
    key: Key[Array, ""]


class Perturbed(AbstractEnvironment):
    """`inner` under perturbations; rewards and costs are those of what really happened."""

    inner: AbstractEnvironment
    chain: Chain
    actions: ActionSpace
    episode_length: int = eqx.field(static=True)

    def __init__(self, inner: AbstractEnvironment, parts: Sequence[AbstractPerturbation]):
        for part in parts:
            part.check(inner.actions)
        self.inner, self.chain, self.actions = inner, Chain(tuple(parts)), inner.actions
        self.episode_length = inner.episode_length

    def reset(self, *, key: Key[Array, ""]) -> tuple[PerturbedState, Observation]:
        inner, observation = self.inner.reset(key=key)
        memory, own = self.chain.init(zero_action(self.actions)), stream(key, "perturbed")
        state = PerturbedState(inner, memory, jnp.int32(0), own)
        return state, self.chain.observe(observation, state.step, own)

    def step(
        self, state: PerturbedState, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PerturbedState, Timestep]:
        memory, executed = self.chain.act(state.memory, action, state.step, state.key)
        inner, timestep = self.inner.step(state.inner, executed, key=key)
        after = PerturbedState(inner, memory, state.step + 1, state.key)
        seen = self.chain.observe(timestep.observation, after.step, after.key)
        return after, dataclasses.replace(timestep, observation=seen)


class HostPerturbed(AbstractWrapped, AbstractHostEnvironment):
    """The same of an environment on the host: one compiled call before a step, one after it."""

    def __init__(self, inner: AbstractHostEnvironment, parts: Sequence[AbstractPerturbation]):
        super().__init__(inner)
        for part in parts:
            part.check(inner.actions)
        chain, options = Chain(tuple(parts)), sequential_cpu_options()
        self._zero = zero_action(inner.actions)
        self._begin = jax.jit(lambda: chain.init(self._zero))
        self._act = jax.jit(chain.act, compiler_options=options)
        self._observe = jax.jit(chain.observe, compiler_options=options)

    def reset(self, *, key: Key[Array, ""]) -> Any:
        self._key, self._step, self._memory = stream(key, "perturbed"), 0, self._begin()
        return self._seen(self.inner.reset(key=key))

    def step(self, action: np.ndarray, *, key: Key[Array, ""]) -> HostTimestep:
        given = jnp.asarray(action, self._zero.dtype)
        self._memory, executed = self._act(self._memory, given, self._step, self._key)
        timestep = self.inner.step(np.asarray(executed), key=key)
        self._step += 1
        return timestep._replace(observation=self._seen(timestep.observation))

    def _seen(self, observation: Any) -> Any:
        given = informed(observation)
        seen = jax.tree.map(np.asarray, self._observe(given.observation, self._step, self._key))
        return given._replace(observation=seen) if given is observation else seen

    def snapshot(self) -> dict[str, np.ndarray] | None:
        inner = self.inner.snapshot()
        if inner is None:
            return None
        own = (self._memory, np.int32(self._step), jax.random.key_data(self._key))
        leaves = enumerate(jax.tree.leaves(own))
        return inner | {f"{OWN}{number}": np.asarray(leaf) for number, leaf in leaves}

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        tree = jax.tree.structure((self._begin(), 0, 0))
        own = [snapshot[f"{OWN}{number}"] for number in range(tree.num_leaves)]
        self._memory, step, key = jax.tree.unflatten(tree, own)
        self._step, self._key = int(step), jax.random.wrap_key_data(key)
        inner = {name: array for name, array in snapshot.items() if not name.startswith(OWN)}
        return self._seen(self.inner.restore(inner))


def perturbed(environment: Any, parts: Sequence[AbstractPerturbation]) -> Any:
    """The environment, compiled or on the host, under these perturbations; itself without any.

    Raises `HandrailError` for several environments that are stepped as one, and for actions that a
    perturbation cannot be applied to.
    """
    if not parts:
        return environment
    if isinstance(environment, AbstractHostEnvironment):
        return HostPerturbed(environment, parts)
    if isinstance(environment, AbstractHost):
        raise HandrailError(
            "changes are for one environment at a time: build a single one, not a vector "
            "environment"
        )
    return Perturbed(environment, parts)


def changed_host(host: Any, changes: Changes, *, name: str) -> Any:
    """An environment in a changed world, of whose physics handrail knows nothing; noise is in units
    of its observations.

    Raises `HandrailError` for other masses and dampings, which handrail cannot give it.
    """
    for what in ("mass", "damping"):
        factor = getattr(changes, what)
        if factor != 1:
            raise HandrailError(
                f"{what} is {factor:g}, but handrail does not vary the physics of {name}: "
                "leave it out; an environment of your own may be built with another one"
            )
    return perturbed(host, perturbations_of(changes, scales={}, gain=True))
