"""An intervention asked from Python, one step at a time: for loops that are not ours.

Everything that belongs to a step is one compiled call with NumPy in and out: the memory takes in
what became of the last step, then this one is decided. A call costs by the arrays that
go in and out of it, so what is carried from step to step travels as one array for each dtype, and
each step's values as a single vector.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.dispatch import one_after_another
from handrail.errors import HandrailError, first_line
from handrail.interventions.base import Intervention
from handrail.interventions.when import LinearDecay
from handrail.packing import Packing
from handrail.rng import stream
from handrail.types import Context, Transition

Carry = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What to execute: `action` has shape and dtype of the proposal."""

    action: np.ndarray
    intervened: bool
    evidence: dict[str, float | np.ndarray]


class Stepwise:
    """An intervention with its memory and the counters of a `Context`.

    Call `decide` before and `observe` after every step, `begin_episode` after every reset. The
    streams of randomness are those of the training loops: the same key, proposals and steps
    give the same decisions.

    Args:
        intervention: WHEN × WHAT.
        observation: an example; float32 leaves.
        proposed: an example; an int32 scalar or a float32 vector.
        view: maps observations to what the intervention reads.
        total_steps: of the run, for `Context.progress`, which is 0 throughout without it.
        key: of the run.

    Raises `HandrailError` where the intervention cannot read the observation, or acts in
    another action space.
    """

    def __init__(
        self,
        intervention: Intervention,
        observation: Any,
        proposed: np.ndarray,
        *,
        view: Callable[[Any], Any] | None = None,
        total_steps: int | None = None,
        key: Key[Array, ""],
    ):
        if total_steps is None and _decays(intervention):
            raise HandrailError(
                "linear decay depends on how much of the run is done; give total_steps"
            )
        self._observations = Packing(observation)
        self._width = self._flat(observation).size
        self._action_shape, self._action_dtype = proposed.shape, proposed.dtype
        self._actions = math.prod(self._action_shape)
        self._intervention, self._view = intervention, view
        self._total, self._key = total_steps, key
        carry = {
            "memory": intervention.init(),
            "step": jnp.int32(0),
            "episode": jnp.int32(0),
            "episode_step": jnp.int32(0),
            "episode_cost": jnp.float32(0),
            "observation": jnp.zeros(self._width),
            "proposed": jnp.zeros(self._action_shape, self._action_dtype),
            "action": jnp.zeros(self._action_shape, self._action_dtype),
            "intervened": jnp.array(False),
        }
        self._packing = Packing(carry)
        self._carry = self._packing.pack(carry)
        self._input = np.zeros(5 + 2 * self._width + self._actions, np.float32)
        self._evidence = self._check(carry, observation)
        self._advance = jax.jit(self._packed, compiler_options=one_after_another())
        self._pending = False  # a step has been observed and is not yet remembered
        self._open = False  # a step has been decided and not yet observed

    @property
    def memory(self) -> Any:
        """What the trigger remembers; the last step joins it with the next decision."""
        return self._packing.unpack(self._carry)["memory"]

    def decide(self, observation: Any, proposed: np.ndarray) -> Verdict:
        """What is to be executed in place of `proposed`, or it itself."""
        row = self._input
        row[0] = self._pending
        end = 5 + self._width
        row[end : end + self._width] = self._flat(observation)
        row[end + self._width :] = proposed.ravel()
        self._carry, out = self._advance(self._carry, row)
        values = np.asarray(out)
        self._pending, self._open = False, True
        action = values[: self._actions].reshape(self._action_shape).astype(self._action_dtype)
        evidence, at = {}, self._actions + 1
        for name, shape in self._evidence.items():
            size = math.prod(shape)
            part = values[at : at + size]
            evidence[name] = part.reshape(shape) if shape else float(part[0])
            at += size
        return Verdict(action, bool(values[self._actions]), evidence)

    def observe(
        self, next_observation: Any, reward: float, cost: float, terminated: bool, truncated: bool
    ) -> None:
        """What became of the step that was decided last; remembered with the next decision."""
        row = self._input
        row[1:5] = reward, cost, terminated, truncated
        row[5 : 5 + self._width] = self._flat(next_observation)
        self._pending, self._open = True, False

    def begin_episode(self) -> None:
        """After a reset: an episode that was left before its end counts as truncated."""
        row, end = self._input, 5 + self._width
        if self._open:  # the environment has failed in the middle of a step
            row[1:5] = 0
            row[5:end] = row[end : end + self._width]
            self._pending, self._open = True, False
        if self._pending and not row[3]:
            row[4] = 1

    def __getstate__(self) -> dict[str, Any]:
        """All but the compiled call, which cannot be pickled."""
        return {name: value for name, value in vars(self).items() if name != "_advance"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._advance = jax.jit(self._packed, compiler_options=one_after_another())

    def _flat(self, observation: Any) -> np.ndarray:
        return self._observations.pack_on_host(observation)[0]

    def _read(self, vector: Array) -> Any:
        """What the intervention sees of a flat observation."""
        observation = self._observations.unpack([vector])
        return observation if self._view is None else self._view(observation)

    def _context(self, carry: Carry, observation: Any, proposed: Array) -> Context:
        step = carry["step"]
        done = jnp.float32(0)
        if self._total is not None:
            done = jnp.minimum(step.astype(jnp.float32) / self._total, 1.0)
        return Context(
            observation=observation,
            proposed=proposed,
            extras={},
            step=step,
            episode=carry["episode"],
            episode_step=carry["episode_step"],
            episode_cost=carry["episode_cost"],
            progress=done,
        )

    def _packed(self, packed: list[Array], row: Array) -> tuple[list[Array], Array]:
        carry, out = self._step(self._packing.unpack(packed), row)
        return self._packing.pack(carry), out

    def _step(self, carry: Carry, row: Array) -> tuple[Carry, Array]:
        carry = self._remember(carry, row)
        end = 5 + self._width
        seen = row[end : end + self._width]
        proposed = row[end + self._width :].reshape(self._action_shape).astype(self._action_dtype)
        context = self._context(carry, self._read(seen), proposed)
        decision = self._intervention(
            context, carry["memory"], key=stream(self._key, "intervene", carry["step"])
        )
        carry = {
            **carry, "observation": seen, "proposed": proposed,
            "action": decision.action, "intervened": decision.intervened,
        }  # fmt: skip
        evidence = [decision.evidence[name] for name in sorted(decision.evidence)]
        parts = [decision.action, decision.intervened, *evidence]
        return carry, jnp.concatenate([jnp.ravel(part).astype(jnp.float32) for part in parts])

    def _remember(self, carry: Carry, row: Array) -> Carry:
        """The carry after the last step, if there was one."""
        pending, reward, cost = row[0] > 0, row[1], row[2]
        terminated, truncated = row[3] > 0, row[4] > 0
        context = self._context(carry, self._read(carry["observation"]), carry["proposed"])
        transition = Transition(
            observation=context.observation,
            proposed=carry["proposed"],
            action=carry["action"],
            reward=reward,
            cost=cost,
            next_observation=self._read(row[5 : 5 + self._width]),
            terminated=terminated,
            truncated=truncated,
            intervened=carry["intervened"],
            weight=jnp.ones(()),
            extras={},
        )
        memory = self._intervention.observe(
            carry["memory"], context, transition, key=stream(self._key, "remember", carry["step"])
        )
        ended = terminated | truncated
        after = {
            **carry,
            "memory": memory,
            "step": carry["step"] + 1,
            "episode": carry["episode"] + ended.astype(jnp.int32),
            "episode_step": jnp.where(ended, 0, carry["episode_step"] + 1),
            "episode_cost": jnp.where(ended, 0.0, carry["episode_cost"] + cost),
        }
        return jax.tree.map(lambda new, old: jnp.where(pending, new, old), after, carry)

    def _check(self, carry: Carry, observation: Any) -> dict[str, tuple[int, ...]]:
        """The shapes of the evidence; refuses an intervention that does not fit."""
        width = self._width

        def context(row: Array) -> Context:
            return self._context(carry, self._read(row[5 : 5 + width]), carry["proposed"])

        def decide(row: Array) -> dict[str, Array]:
            self._remember(carry, row)
            return self._intervention(context(row), carry["memory"], key=self._key).evidence

        what = self._intervention.what
        shapes = jax.tree.map(np.shape, observation)
        self._check_action(
            self._shape_of(lambda row: what(context(row), key=self._key).action, shapes)
        )
        evidence = self._shape_of(decide, shapes)
        return {name: evidence[name].shape for name in sorted(evidence)}

    def _shape_of(self, function: Callable[[Array], Any], shapes: Any) -> Any:
        """What the function gives for the vector of a step, without computing it."""
        try:
            return jax.eval_shape(function, self._input)
        except HandrailError:
            raise
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise HandrailError(
                f"the intervention cannot read observations of shape {shapes} with actions of "
                f"shape {self._action_shape} ({type(error).__name__}: {first_line(error)}); "
                "give the view that it was made for"
            ) from error

    def _check_action(self, action: Any) -> None:
        integers = jnp.issubdtype(action.dtype, jnp.integer)
        numbered = np.issubdtype(self._action_dtype, np.integer)
        if action.shape != self._action_shape or integers != numbered:
            raise HandrailError(
                f"the intervention acts with {action.dtype} of shape {action.shape}, but actions "
                f"here are {self._action_dtype} of shape {self._action_shape}; "
                "guide and environment need the same actions"
            )


def _decays(intervention: Intervention) -> bool:
    def found(part: Any) -> bool:
        return isinstance(part, LinearDecay)

    return any(map(found, jax.tree.leaves(intervention.when, is_leaf=found)))
