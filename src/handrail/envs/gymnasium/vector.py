"""A Gymnasium vector environment on the host, each copy checked like a single environment."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Key

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.layers import is_shared, refuse_running_statistics, simulators
from handrail.envs.gymnasium.raw import refuse_other_interfaces
from handrail.envs.gymnasium.raw_vector import (
    autoreset_mode,
    observation_of,
    read_vector_reset,
    read_vector_step,
)
from handrail.envs.gymnasium.reader import HostReader, checked_time_limit
from handrail.envs.host import HostTimestep
from handrail.envs.vector_host import AbstractVectorHost, together


class GymnasiumVectorHost(AbstractVectorHost):
    """`env`, a `gymnasium.vector.VectorEnv`, with the cost of each copy, checked at every step.

    Costs, limits, parts and actions are those of `GymnasiumHost`; `cost` is called for one copy at
    a time, with its observations, its action and its info. A copy that ended is reset before the
    next step, with a seed of its own: in whichever auto-reset mode, there is no step that is none.

    Raises `HandrailError` where `GymnasiumHost` does, naming the copy too; for environments whose
    copies cannot be reset with seeds (see `autoreset_mode`); and for costs in infos whose type
    changes, since Gymnasium rounds the others' to the type of the first copy's.
    """

    steps_draw = False  # from keys

    def __init__(
        self,
        env: Any,
        cost: CostFn | None = None,
        *,
        limits: Mapping[str, float] | None = None,
        parts: Sequence[str] | None = None,
        episode_length: int | None = None,
    ):
        refuse_other_interfaces(env)
        self.env, self.copies, self.parts = env, int(env.num_envs), parts
        self._spec = _spec(env)
        single = type(getattr(_first(env), "unwrapped", env)).__name__
        self.name = f"{self.copies} × {getattr(self._spec, 'id', None) or single}"
        try:
            self._mode = autoreset_mode(env)
        except HandrailError as error:
            raise HandrailError(f"{self.name}: {error}") from None
        refuse_running_statistics(env, self.name)
        if is_shared(simulators(env)):
            raise HandrailError(
                f"{self.name}: two copies are one and the same environment; each function given "
                "to the vector environment has to build an environment of its own"
            )
        registered = getattr(self._spec, "max_episode_steps", None)
        self.time_limit = checked_time_limit(episode_length, registered)
        self._readers = [
            HostReader(
                f"{self.name}, copy {copy}", env.single_action_space, env.single_observation_space,
                cost, limits=limits, parts=parts, time_limit=self.time_limit,
            )
            for copy in range(self.copies)
        ]  # fmt: skip
        self._one_type = None if cost is not None else _OneType()
        self._observed: list[Any] = [None] * self.copies
        self.actions = self._readers[0].codec.actions
        self.constraints = tuple(self.limits)

    @property
    def limit(self) -> float | None:
        """The limit per episode of several combined costs; None where the cost is one number."""
        return self._readers[0].read_cost.limit

    @property
    def limits(self) -> dict[str, float]:
        """The limits per episode of several costs, by name; empty where the cost is one number."""
        return self._readers[0].read_cost.apart

    @property
    def action_bounds(self) -> dict[str, list[float]]:
        """`low` and `high` of a copy's Box, in its units: what −1 and 1 stand for."""
        return self._readers[0].codec.bounds()

    def agent_form(self, action: Any) -> Any:
        """An action in a copy's units, an array of JAX, as an agent's."""
        return self._readers[0].codec.agent_form(action)

    def observation_zeros(self) -> Any:
        """An observation of zeros of one copy: its shapes and dtypes."""
        return self._readers[0].observe.zeros()

    def reset(self, which: Bool[np.ndarray, " copies"], *, keys: Key[Array, " copies"]) -> Any:
        chosen, space = np.flatnonzero(which).tolist(), self.env.single_observation_space
        for copy in chosen:
            self._readers[copy].begin()
        seeds = (np.asarray(_bits(keys)) >> 1).tolist()  # `seed_of` of each
        try:
            raw = read_vector_reset(self.env, seeds, which)
        except HandrailError as error:
            raise HandrailError(f"{self.name}: {error}") from error.__cause__
        for copy in chosen:
            reader = self._readers[copy]
            try:
                self._observed[copy] = reader.begun(observation_of(raw, copy, space))
            except HandrailError as error:
                raise reader.failed(error) from error.__cause__
        return together(self._observed)

    def step(self, actions: np.ndarray, *, keys: Key[Array, " copies"]) -> HostTimestep:
        taken = [
            _located(reader, reader.act, action)
            for reader, action in zip(self._readers, actions, strict=True)
        ]
        space = self.env.single_action_space
        parts = hasattr(space, "spaces")
        batch = together(taken) if parts else np.array(taken, space.dtype)
        try:
            steps, infos = read_vector_step(self.env, batch, self.copies, mode=self._mode)
            if self._one_type is not None:
                self._one_type(infos)
        except HandrailError as error:
            raise HandrailError(f"{self.name}: {error}") from error.__cause__
        timesteps = [
            _located(reader, reader.happened, action, raw)
            for reader, action, raw in zip(self._readers, taken, steps, strict=True)
        ]
        self._observed = [timestep.observation for timestep in timesteps]
        return together(timesteps)

    def snapshot(self) -> dict[str, np.ndarray] | None:
        """None: Gymnasium has no way to save an episode."""
        return None

    def restore(self, snapshot: dict[str, np.ndarray]) -> Any:
        raise HandrailError(f"{self.name}: Gymnasium environments cannot be restored; reset them")

    def close(self) -> None:
        """Ends what the copies run in, such as processes."""
        self.env.close()


class _OneType:
    """Refuses costs in infos whose type changes from step to step."""

    def __init__(self) -> None:
        self._kinds: dict[str, np.dtype] = {}

    def __call__(self, infos: Mapping[str, Any]) -> None:
        for said in (infos, infos.get("final_info")):
            if isinstance(said, Mapping):
                self._check("cost", said.get("cost"))

    def _check(self, name: str, values: Any) -> None:
        if isinstance(values, Mapping):
            for part, inner in values.items():
                self._check(f"{name} {part!r}", inner)
            return
        dtype = getattr(values, "dtype", None)
        if dtype is None or dtype.kind not in "biuf":
            return
        before = self._kinds.setdefault(name, dtype)
        if before.kind != dtype.kind:
            raise HandrailError(
                f"the type of the {name} changed from {before} to {dtype}: a vector environment "
                "gives all copies the type of the first one's number, so others may have been "
                "rounded; return one type at every step, such as float"
            )


def _located(reader: HostReader, read: Any, *given: Any) -> Any:
    """What a reader makes of it; errors name the copy."""
    try:
        return read(*given)
    except HandrailError as error:
        raise reader.failed(error) from error.__cause__


@jax.jit
def _bits(keys: Key[Array, " copies"]) -> Array:
    return jax.vmap(jax.random.bits)(keys)


def _first(env: Any) -> Any:
    """The first copy, where it lives in this process; else all of them."""
    base = getattr(env, "unwrapped", env)
    return (getattr(base, "envs", None) or [base])[0]


def _spec(env: Any) -> Any:
    """What the copies were registered as, if they were. Other processes are not asked: what they
    cannot send would end them.
    """
    spec = getattr(env, "spec", None)
    return getattr(_first(env), "spec", None) if spec is None else spec
