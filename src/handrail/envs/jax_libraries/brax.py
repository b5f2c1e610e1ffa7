"""Environments of Brax and of libraries with its interface, without their auto-reset.

`reset(rng)` and `step(state, action)` give a state with `obs`, `reward`, `done`, `info` and
`metrics`. No library is imported: an environment is known by what it has.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from handrail.core.arguments import shown, whole
from handrail.core.errors import HandrailError
from handrail.core.identity import digest
from handrail.core.types import Action, Observation, Timestep
from handrail.envs.base import AbstractEnvironment, BoxActions
from handrail.envs.jax_libraries.costs import CostSource, checked_source, cost_of
from handrail.envs.jax_libraries.own import OwnEnvironment, own_environment
from handrail.envs.jax_libraries.tracing import attempt, raw_key

STATE = ("obs", "reward", "done", "info", "metrics")
AUTO_RESET = "AutoReset"
FIRST = ("first_obs", "first_pipeline_state", "first_state", "first_data")
"""What auto-resets keep in a state's info."""


class BraxEnvironment(AbstractEnvironment):
    """`env`, whose states are the library's; agents act in [−1, 1], as such environments take it.

    `done` is the task's own end, unless `info["truncation"]` says that it is a time limit's. The
    state that a step is given is not written into.
    """

    env: Any = eqx.field(static=True)
    cost: Any = eqx.field(static=True)
    actions: BoxActions
    name: str = eqx.field(static=True)
    episode_length: int = eqx.field(static=True)
    identity: str = eqx.field(static=True)
    """A digest of `env`, as it was given."""
    digested: ClassVar[tuple[str, ...]] = ("env",)

    def reset(self, *, key: Key[Array, ""]) -> tuple[PyTree, Observation]:
        state = self.env.reset(raw_key(key))
        return state, state.obs

    def step(
        self, state: PyTree, action: Action, *, key: Key[Array, ""]
    ) -> tuple[PyTree, Timestep]:
        copied = jax.tree.map(lambda leaf: leaf, state)  # steps may write into its dictionaries
        after = self.env.step(copied, action)
        places = {"info": after.info, "metrics": after.metrics}
        done = jnp.asarray(after.done) > 0
        truncated = done & (jnp.asarray(after.info.get("truncation", 0)) > 0)
        return after, Timestep(
            observation=after.obs,
            reward=jnp.asarray(after.reward, jnp.float32),
            cost=cost_of(self.cost, self.name, places, state, action, after),
            terminated=done & ~truncated,
            truncated=truncated,
        )


def from_brax(
    environment: Any, *, cost: CostSource = "info:cost", episode_length: int | None = None
) -> OwnEnvironment:
    """An environment of Brax, or of CRAX, MuJoCo Playground and others with its interface.

    Args:
        environment: one that has been built, such as `brax.envs.get_environment("ant")`. Brax's
            `EpisodeWrapper` is read; an auto-reset around all else is taken off, since it would
            hide the last observation of an episode.
        cost: what a step costs: `"info:NAME"` or `"metrics:NAME"` of the state it leads to, or a
            function `(state, action, next_state)` of the library's states that gives one number
            ≥ 0.
        episode_length: the time limit in steps, if the environment does not say.

    Raises `HandrailError` where there is no cost or no time limit, for batched environments,
    repeated actions, an auto-reset that is not the outermost wrapper, and environments that do
    not compile.
    """
    env = environment
    while AUTO_RESET in type(env).__name__ and "env" in vars(env):
        env = env.env
    for needed in ("reset", "step", "action_size"):
        if not hasattr(env, needed):
            raise HandrailError(
                f"the environment is {shown(environment)}, which has no {needed}; expected one of "
                "Brax's interface that has been built, such as brax.envs.get_environment('ant')"
            )
    name = type(getattr(env, "unwrapped", env)).__name__
    _check_layers(name, env)
    identity = digest(env)
    _check_state(name, env)
    inner = BraxEnvironment(
        env=env,
        cost=checked_source(cost),
        actions=BoxActions(int(env.action_size)),
        name=name,
        episode_length=_length(name, env, episode_length),
        identity=identity,
    )
    return own_environment(inner, name=name)


def _check_layers(name: str, env: Any) -> None:
    """Refuses wrappers that hide the end of an episode, or steps whose costs would be lost."""
    layer = env
    while layer is not None:
        kind = type(layer).__name__
        if AUTO_RESET in kind:
            raise HandrailError(
                f"{name}: {kind} is inside of another wrapper, so the last observation of an "
                "episode would be lost; build it with auto_reset=False"
            )
        repeats = vars(layer).get("action_repeat", 1)
        if repeats != 1:
            raise HandrailError(
                f"{name}: {kind} repeats actions {repeats} times and keeps the cost of the last "
                "step alone; build it with action_repeat=1"
            )
        layer = vars(layer).get("env")


def _check_state(name: str, env: Any) -> None:
    key = raw_key(jax.random.key(0))
    state = attempt(f"{name}: reset", jax.eval_shape, env.reset, key)
    missing = [part for part in STATE if not hasattr(state, part)]
    if missing:
        raise HandrailError(
            f"{name}: reset gives a {type(state).__name__} without {', '.join(missing)}; expected "
            "a state as Brax has it"
        )
    if jnp.shape(state.done) != ():
        raise HandrailError(
            f"{name}: it is {jnp.shape(state.done)} environments at once; give a single one: build "
            "it without batch_size, and without VmapWrapper (VmappedRuns runs many seeds)"
        )
    kept = [entry for entry in FIRST if entry in state.info]
    if kept:
        raise HandrailError(
            f"{name}: the state's info has {kept[0]!r}, so it resets by itself, and the last "
            "observation of an episode would be lost; build it with auto_reset=False"
        )


def _length(name: str, env: Any, given: int | None) -> int:
    if given is not None:
        return whole("episode_length", given, least=1)
    said = getattr(env, "episode_length", None)
    if said is None:
        said = getattr(getattr(env, "_config", None), "episode_length", None)
    if said is None:
        raise HandrailError(
            f"{name} says nothing of its time limit; give from_brax(…, episode_length=1000)"
        )
    return whole("episode_length", int(said), least=1)
