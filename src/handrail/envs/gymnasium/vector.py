"""A Gymnasium vector environment on the host, each copy checked like a single environment."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Key

from handrail.core.errors import HandrailError
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.host import AbstractGymnasiumHost
from handrail.envs.gymnasium.layers import is_shared, refuse_running_statistics, simulators
from handrail.envs.gymnasium.raw import refuse_other_interfaces
from handrail.envs.gymnasium.raw_vector import (
    autoreset_mode,
    info_of,
    observation_of,
    read_vector_reset,
    read_vector_step,
)
from handrail.envs.gymnasium.reader import HostReader, checked_time_limit
from handrail.envs.gymnasium.side_info import NO_SIDE_INFO, SideInfo
from handrail.envs.host import HostTimestep
from handrail.envs.vector_host import AbstractVectorHost, together


class GymnasiumVectorHost(AbstractGymnasiumHost, AbstractVectorHost):
    """`env`, a `gymnasium.vector.VectorEnv`, with the cost of each copy, checked at every step.

    Costs, limits, parts and actions are those of `GymnasiumHost`; `cost` is called for one copy at
    a time, with its observations, its action and its info. A copy that ended is reset before the
    next step, with a seed of its own: in whichever auto-reset mode, there is no step that is none.

    Raises `HandrailError` where `GymnasiumHost` does, naming the copy too; for environments whose
    copies cannot be reset with seeds (see `autoreset_mode`); and for costs in infos whose type
    changes, since Gymnasium rounds the others' to the type of the first copy's.
    """

    def __init__(
        self,
        env: Any,
        cost: CostFn | None = None,
        *,
        limits: Mapping[str, float] | None = None,
        parts: Sequence[str] | None = None,
        episode_length: int | None = None,
        side_info: SideInfo = NO_SIDE_INFO,
    ):
        refuse_other_interfaces(env)
        self.copies = int(env.num_envs)
        spec = _spec(env)
        single = type(getattr(_first(env), "unwrapped", env)).__name__
        name = f"{self.copies} × {getattr(spec, 'id', None) or single}"
        try:
            self._mode = autoreset_mode(env)
        except HandrailError as error:
            raise HandrailError(f"{name}: {error}") from None
        refuse_running_statistics(env, name)
        if is_shared(simulators(env)):
            raise HandrailError(
                f"{name}: two copies are one and the same environment; each function given "
                "to the vector environment has to build an environment of its own"
            )
        time_limit = checked_time_limit(episode_length, getattr(spec, "max_episode_steps", None))
        readers = [
            HostReader(
                f"{name}, copy {copy}", env.single_action_space, env.single_observation_space,
                cost, limits=limits, parts=parts, time_limit=time_limit, side_info=side_info,
            )
            for copy in range(self.copies)
        ]  # fmt: skip
        self._one_type = _OneType((*(() if cost is not None else ("cost",)), *side_info.info))
        self._observed: list[Any] = [None] * self.copies
        super().__init__(env, name, parts, time_limit, readers)

    def reset(self, which: Bool[np.ndarray, " copies"], *, keys: Key[Array, " copies"]) -> Any:
        chosen, space = np.flatnonzero(which).tolist(), self.env.single_observation_space
        for copy in chosen:
            self._readers[copy].begin()
        seeds = (np.asarray(_bits(keys)) >> 1).tolist()  # `seed_of` of each
        try:
            raw, infos = read_vector_reset(self.env, seeds, which)
        except HandrailError as error:
            raise HandrailError(f"{self.name}: {error}") from error.__cause__
        for copy in chosen:
            reader = self._readers[copy]
            own = reader.attempt(observation_of, raw, copy, space)
            info = info_of(infos, copy, self.copies)
            self._observed[copy] = reader.attempt(reader.begun, own, info)
        return together(self._observed)

    def step(self, actions: np.ndarray, *, keys: Key[Array, " copies"]) -> HostTimestep:
        taken = [
            reader.attempt(reader.act, action)
            for reader, action in zip(self._readers, actions, strict=True)
        ]
        space = self.env.single_action_space
        parts = hasattr(space, "spaces")
        batch = together(taken) if parts else np.array(taken, space.dtype)
        try:
            steps, infos = read_vector_step(self.env, batch, self.copies, mode=self._mode)
            self._one_type(infos)
        except HandrailError as error:
            raise HandrailError(f"{self.name}: {error}") from error.__cause__
        timesteps = [
            reader.attempt(reader.happened, action, raw)
            for reader, action, raw in zip(self._readers, taken, steps, strict=True)
        ]
        self._observed = [timestep.observation for timestep in timesteps]
        return together(timesteps)


class _OneType:
    """Refuses numbers of these names in infos whose type changes from step to step."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._kinds: dict[str, np.dtype] = {}

    def __call__(self, infos: Mapping[str, Any]) -> None:
        for said in (infos, infos.get("final_info")):
            if isinstance(said, Mapping):
                for name in self._names:
                    self._check(name, said.get(name))

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
