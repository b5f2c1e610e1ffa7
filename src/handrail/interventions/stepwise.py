"""An intervention asked from Python, one step at a time: for loops that are not ours.

Everything that belongs to a step is one compiled call with NumPy in and out: the memory takes in
what became of the last step, then this one is decided. A call costs by the arrays that
go in and out of it, so what is carried from step to step travels as one array for each dtype, and
each step's values as a single vector.
"""

import dataclasses
import logging
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError, first_line
from handrail.core.informed import Info, Informed, informed
from handrail.core.jax_setup import sequential_cpu_options
from handrail.core.packing import Packing
from handrail.core.rng import stream
from handrail.core.types import Context, Decision, Timestep, Transition
from handrail.interventions.base import Intervention
from handrail.interventions.fit import check_numbered, constant_of, reading
from handrail.interventions.triggers import LinearDecay

Carry = dict[str, Any]
LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class StepDecision:
    """What to execute: `action` has shape and dtype of the proposal.

    `evidence` has `not_finite` (1) at steps at which a trigger saw NaN or infinity and stepped in.
    """

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
        observation: an example; float32 leaves, or bytes; with what comes beside it (`Informed`).
        proposed: an example; an int32 scalar or a float32 vector.
        view: maps observations to what the intervention reads.
        total_steps: of the run, for `Context.progress`, which is 0 throughout without it.
        key: of the run.
        actions: how many numbered actions there are; None for real ones.

    Raises `HandrailError` where the intervention cannot read the observation, acts in another
    action space, or gives what is not one truth, one action or one number.
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
        actions: int | None = None,
    ):
        if total_steps is None and _decays(intervention):
            raise HandrailError(
                "linear decay depends on how much of the run is done; give total_steps"
            )
        # all in one vector of float32, which also has every byte of an image
        self._observations = Packing(
            jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, np.float32), observation)
        )
        self._dtypes = jax.tree.map(lambda leaf: leaf.dtype, observation)
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
        self.constant: np.ndarray | None = None
        """The substitute's action where it is the same at every step."""
        self._looks, self._evidence = self._check(carry, observation, actions)
        self._warned = False
        self._advance = jax.jit(self._packed, compiler_options=sequential_cpu_options())
        self._pending = False  # a step has been observed and is not yet remembered
        self._open = False  # a step has been decided and not yet observed

    @property
    def memory(self) -> Any:
        """What the trigger remembers; the last step joins it with the next decision."""
        return self._packing.unpack(self._carry)["memory"]

    def decide(self, observation: Any, proposed: np.ndarray) -> StepDecision:
        """What is to be executed in place of `proposed`, or it itself."""
        row = self._input
        row[0] = self._pending
        end = 5 + self._width
        row[end : end + self._width] = self._flat(observation)
        row[end + self._width :] = proposed.ravel()
        try:
            self._carry, out = self._advance(self._carry, row)
            values = np.asarray(out)
        except jax.errors.JaxRuntimeError as error:  # of a function that the host calls
            raise HandrailError(f"the intervention failed: {_last_line(error)}") from error
        self._pending, self._open = False, True
        action = values[: self._actions].reshape(self._action_shape).astype(self._action_dtype)
        evidence, at = {}, self._actions + 1 + self._looks
        for name, shape in self._evidence.items():
            size = math.prod(shape)
            part = values[at : at + size]
            evidence[name] = part.reshape(shape) if shape else float(part[0])
            at += size
        if self._looks and values[self._actions + 1]:
            evidence["not_finite"] = 1.0
            self._warn(evidence)
        return StepDecision(action, bool(values[self._actions]), evidence)

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

    def _warn(self, evidence: dict[str, Any]) -> None:
        """Says once that the guard steps in because it does not know."""
        if not self._warned:
            LOG.warning(
                "a quantity that the intervention looks at is not finite (evidence: %s), so it "
                "steps in; look at the critic, prior, encoder or predicate that it asks. This is "
                "said once; `not_finite` in the evidence marks every such step", evidence,
            )  # fmt: skip
        self._warned = True

    def __getstate__(self) -> dict[str, Any]:
        """All but the compiled call, which cannot be pickled."""
        return {name: value for name, value in vars(self).items() if name != "_advance"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._advance = jax.jit(self._packed, compiler_options=sequential_cpu_options())

    def _flat(self, observation: Any) -> np.ndarray:
        return self._observations.pack_on_host(observation)[0]

    def _read(self, vector: Array) -> Informed:
        """What the intervention sees of a flat observation."""
        read = self._observations.unpack([vector])
        observation = jax.tree.map(lambda leaf, dtype: leaf.astype(dtype), read, self._dtypes)
        seen = informed(observation)
        if self._view is None:
            return seen
        return seen._replace(observation=self._view(seen.observation))

    def _context(self, carry: Carry, seen: Informed, proposed: Array) -> Context:
        step = carry["step"]
        done = jnp.float32(0)
        if self._total is not None:
            done = jnp.minimum(step.astype(jnp.float32) / self._total, 1.0)
        return Context(
            observation=seen.observation,
            proposed=proposed,
            extras={},
            step=step,
            episode=carry["episode"],
            episode_step=carry["episode_step"],
            episode_cost=carry["episode_cost"],
            progress=done,
            info=Info(seen.info),
            allowed=seen.allowed,
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
        ).undisturbed()
        carry = {
            **carry, "observation": seen, "proposed": proposed,
            "action": decision.action, "intervened": decision.intervened,
        }  # fmt: skip
        evidence = [decision.evidence[name] for name in sorted(decision.evidence)]
        unknown = [] if decision.not_finite is None else [decision.not_finite]
        parts = [decision.action, decision.intervened, *unknown, *evidence]
        return carry, jnp.concatenate([jnp.ravel(part).astype(jnp.float32) for part in parts])

    def _remember(self, carry: Carry, row: Array) -> Carry:
        """The carry after the last step, if there was one."""
        pending, reward, cost = row[0] > 0, row[1], row[2]
        terminated, truncated = row[3] > 0, row[4] > 0
        context = self._context(carry, self._read(carry["observation"]), carry["proposed"])
        reached = self._read(row[5 : 5 + self._width])
        transition = Transition.of(
            context,
            Decision(carry["action"], carry["intervened"], {}, {}),
            Timestep(reached, reward, cost, terminated, truncated),
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

    def _check(
        self, carry: Carry, observation: Any, actions: int | None
    ) -> tuple[bool, dict[str, tuple[int, ...]]]:
        """Whether it looks at numbers that may not be finite, and the shapes of the evidence.

        Refuses an intervention that does not fit.
        """

        def context(carry: Carry, row: Array) -> Context:
            seen = self._read(row[5 : 5 + self._width])
            return self._context(carry, seen, carry["proposed"])

        def decide(row: Array) -> Decision:
            self._remember(carry, row)
            return self._intervention(context(carry, row), carry["memory"], key=self._key)

        def act(carry: Carry, row: Array, key: Key[Array, ""]) -> Array:
            return self._intervention.what(context(carry, row), key=key).action

        with reading(observation, self._proposed_zeros()):
            decision = jax.eval_shape(decide, self._input)
            if actions is not None:
                seen = jax.eval_shape(lambda row: context(carry, row).observation, self._input)
                check_numbered(self._intervention, seen, actions)
            else:
                self.constant = constant_of(act, carry, jnp.asarray(self._input), self._key)
        shapes = {name: decision.evidence[name].shape for name in sorted(decision.evidence)}
        return decision.not_finite is not None, shapes

    def _proposed_zeros(self) -> np.ndarray:
        return np.zeros(self._action_shape, self._action_dtype)


def _decays(intervention: Intervention) -> bool:
    def found(part: Any) -> bool:
        return isinstance(part, LinearDecay)

    return any(map(found, jax.tree.leaves(intervention, is_leaf=found)))


def _last_line(error: Exception) -> str:
    """What the function raised: the last line of what JAX says of it."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else first_line(error)
