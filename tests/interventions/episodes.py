"""Scripted episodes: what an intervention does, step by step, where everything else is fixed."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.rng import stream
from handrail.core.types import Context, Transition
from handrail.interventions.base import Intervention


def script(steps: int, **columns):
    """Columns of equal length; those not given are zeros. `terminated`, `truncated`: the ends."""
    columns = {"observation": [0] * steps, "proposed": [0] * steps, "cost": [0.0] * steps,
               "terminated": [False] * steps, "truncated": [False] * steps,
               "progress": list(np.arange(steps) / steps), **columns}  # fmt: skip
    dtypes = {"cost": jnp.float32, "progress": jnp.float32, "terminated": bool, "truncated": bool}
    return {
        name: jnp.asarray(values, dtypes.get(name)) if name in dtypes else jnp.asarray(values)
        for name, values in columns.items()
    }


def at(steps: int, *true: int) -> list[bool]:
    """True at the given steps."""
    return [step in true for step in range(steps)]


@eqx.filter_jit
def play(intervention: Intervention, played, *, key=None, extras=None):
    """The decisions over a script, and the memory after it; the keys are those of the loop."""
    key = jax.random.key(0) if key is None else key
    extras = {} if extras is None else extras

    def step(carry, now):
        memory, number, episode, episode_step, episode_cost = carry
        context = Context(
            observation=now["observation"],
            proposed=now["proposed"],
            extras=extras,
            step=number,
            episode=episode,
            episode_step=episode_step,
            episode_cost=episode_cost,
            progress=now["progress"],
        )
        decision = intervention(context, memory, key=stream(key, "intervene", number))
        transition = Transition(
            observation=now["observation"],
            proposed=now["proposed"],
            action=decision.action,
            reward=jnp.zeros(()),
            cost=now["cost"],
            next_observation=now["observation"],
            terminated=now["terminated"],
            truncated=now["truncated"],
            intervened=decision.intervened,
            weight=jnp.ones(()),
            extras={},
        )
        after = intervention.observe(
            memory, context, transition, key=stream(key, "remember", number)
        )
        ended = now["terminated"] | now["truncated"]
        carry = (
            after,
            number + 1,
            episode + ended,
            jnp.where(ended, 0, episode_step + 1),
            jnp.where(ended, 0.0, episode_cost + now["cost"]),
        )
        return carry, (decision, memory)

    zero = jnp.int32(0)
    start = (intervention.init(), zero, zero, zero, jnp.float32(0))
    (memory, *_), (decisions, memories) = jax.lax.scan(step, start, played)
    return decisions, memories, memory


def stepped_in(decisions) -> list[int]:
    """The steps in which the substitute acted."""
    return np.flatnonzero(np.asarray(decisions.intervened)).tolist()
