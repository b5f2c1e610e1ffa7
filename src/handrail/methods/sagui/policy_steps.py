"""Steps of a policy of the user's in its source: to fit its cost critic, and to test it."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.envs.base import DiscreteActions
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.interventions.on_host import first_of, takes_key
from handrail.learners.fitted_q import PolicySteps, continued
from handrail.methods.sagui.outside_guide import PolicyGuide, action_width, example_action
from handrail.methods.sagui.shield import REPEAT

TAIL = 0.05
"""Discounted weight of what a time limit may cut off a cost-to-go that a prediction is held
against."""


class ActsByHand:
    """The policy of a guide, asked on the host: `acts(observation) -> action`, as an agent's."""

    def __init__(self, guide: PolicyGuide, like: Any, seed: int):
        """`like` is an example of an observation."""
        self._like = like
        self._guide, self._random = guide, np.random.default_rng(seed)
        self._example, self._takes_key = example_action(guide.actions), takes_key(guide.act)

    def __call__(self, observation: Any) -> np.ndarray:
        """Raises `HandrailError` for what is no action of the environment's."""
        key = self._random.integers(2**32, size=2, dtype=np.uint32)
        given = (observation, key) if self._takes_key else (observation,)
        action = np.asarray(self._guide.convert(first_of(self._guide.act(*given))))
        whole = self._example.dtype.kind == "f" or (action == np.rint(action)).all()
        if action.shape != self._example.shape or not np.isfinite(action).all() or not whole:
            raise HandrailError(
                f"the policy gives {action.tolist()!r}; expected finite numbers of shape "
                f"{self._example.shape}, and of a numbered action one whole number"
            )
        return action.astype(self._example.dtype)

    def unpacked(self, row: np.ndarray) -> Any:
        """The observation of which `vector` made this row."""
        leaves, tree = jax.tree.flatten(self._like)
        ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
        parts = np.split(np.asarray(row, np.float32), ends)
        shaped = [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
        return jax.tree.unflatten(tree, shaped)

    def at_random(self) -> np.ndarray:
        """A uniformly random action."""
        actions = self._guide.actions
        if isinstance(actions, DiscreteActions):
            return np.asarray(self._random.integers(actions.n), np.int32)
        return self._random.uniform(-1, 1, actions.size).astype(np.float32)

    def coin(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return bool(self._random.random() < probability)

    def numbers(self, action: np.ndarray) -> np.ndarray:
        """What a critic reads of an action."""
        actions = self._guide.actions
        if isinstance(actions, DiscreteActions):
            return np.eye(action_width(actions), dtype=np.float32)[int(action)]
        return action


@dataclasses.dataclass(frozen=True)
class Collected:
    """Steps to fit a cost critic to."""

    steps: PolicySteps
    """With the costs that followed while the policy acted."""
    episodes: Int[np.ndarray, " steps"]
    """The number of the episode of each."""
    costs: Float[np.ndarray, " steps"]
    """What each step cost by itself; of several costs the highest."""


def collected(
    host: GymnasiumHost,
    acts: ActsByHand,
    *,
    steps: int,
    random_action_share: float,
    discount: float,
    key: Key[Array, ""],
    report: Callable[[int, int], None],
) -> Collected:
    """So many steps of the source.

    Random actions drive in a share of all intervals of 30 steps, one for each: a critic has to
    judge actions that are not the policy's. Where a time limit ends an episode, its last state
    stands for the one after it, in which nobody ever acts: of an observation that tells the time
    a critic would have to extrapolate there, and would believe itself. Of several costs each is on
    the scale of the smallest limit, as of `handrail.methods.sagui.guide_file`.
    """
    scale, rows, facts = scale_of(host), [], []
    observation, own, episode, held = None, acts.at_random(), -1, None
    for step in range(steps):
        if observation is None:
            episode += 1
            observation = host.reset(key=stream(key, "episode", episode))
            own = acts(observation)
        if step % REPEAT == 0:
            held = acts.at_random() if acts.coin(random_action_share) else None
        action = own if held is None else held
        timestep = host.step(action, key=key)
        kept = 0.0 if timestep.terminated else discount
        ended = bool(timestep.terminated or timestep.truncated)
        then = observation, own
        if not ended:
            own = acts(timestep.observation)
            then = timestep.observation, own
        rows.append(
            (
                vector(observation), acts.numbers(action), _costs(timestep, scale), kept,
                vector(then[0]), acts.numbers(then[1]),
            )
        )  # fmt: skip
        facts.append((episode, held is None, ended))
        observation = None if ended else timestep.observation
        if (step + 1) % 1000 == 0 or step + 1 == steps:
            report(step + 1, steps)
    numbers, on_policy, ended = map(np.array, zip(*facts, strict=True))
    single = PolicySteps(*map(np.array, zip(*rows, strict=True)))
    costs = single.costs.max(axis=1)
    return Collected(continued(single, on_policy, ended), numbers, costs)


@dataclasses.dataclass(frozen=True)
class Trial:
    """Episodes of the policy, some of which a random explorer began."""

    costs: Float[np.ndarray, " episodes"]
    """Of whole episodes of the policy alone, undiscounted; of several the nearest to its limit."""
    lengths: Float[np.ndarray, " episodes"]
    """Their steps."""
    returns: Float[np.ndarray, " episodes"]
    """Their rewards, undiscounted."""
    predicted: Float[np.ndarray, " states"]
    """Discounted costs, where the policy acts, by the critic."""
    incurred: Float[np.ndarray, " states"]
    """And what followed there."""


def tried(
    host: GymnasiumHost,
    acts: ActsByHand,
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    episodes: int,
    longest: int,
    discount: float,
    key: Key[Array, ""],
) -> Trial:
    """So many episodes of the policy alone, and as many that it takes over from an explorer.

    `predict(observations, actions)` are the critic's costs of a batch, a row each cost.
    """
    scale, sums, states = scale_of(host), [], []
    latest = 0.4 * longest  # the last step at which the policy takes over
    for number in range(2 * episodes):
        share = (number % episodes + 1) / episodes
        first = 0 if number < episodes else max(1, round(latest * share))
        observation = host.reset(key=stream(key, "trial", number))
        held, terminated, earned = acts.at_random(), False, 0.0
        seen, taken, costs = [], [], []
        for step in range(longest):
            held = acts.at_random() if step % REPEAT == 0 else held
            action = held if step < first else acts(observation)
            seen.append(vector(observation))
            taken.append(acts.numbers(action))
            timestep = host.step(action, key=key)
            costs.append(_costs(timestep, scale))
            earned += float(timestep.reward)
            observation, terminated = timestep.observation, bool(timestep.terminated)
            if terminated or timestep.truncated:
                break
        if not first:
            sums.append((np.max(np.sum(costs, axis=0)), len(costs), earned))
        states.append(_followed(predict, seen, taken, costs, first, terminated, discount))
    predicted, incurred = (np.concatenate(part) for part in zip(*states, strict=True))
    return Trial(*np.array(sums, np.float64).T, predicted=predicted, incurred=incurred)


def _followed(predict, seen, taken, costs, first: int, terminated: bool, discount: float):
    """Of the states from `first` on of which enough is known: predicted costs, and incurred."""
    after = np.zeros_like(costs[0], np.float64)
    to_go = np.zeros((len(costs), len(after)))
    for step in reversed(range(len(costs))):
        to_go[step] = after = costs[step] + discount * after
    length = len(costs)
    tail = math.ceil(math.log(TAIL) / math.log(discount)) if 0 < discount < 1 else 1
    last = length if terminated else length - min(tail, length // 2)
    counted = slice(min(first, length), max(last, min(first, length)))
    if counted.start == counted.stop:
        return np.zeros(0), np.zeros(0)
    costs_there = predict(np.array(seen[counted]), np.array(taken[counted]))
    return np.max(costs_there, axis=0).astype(np.float64), to_go[counted].max(axis=1)


def scale_of(host: GymnasiumHost) -> Mapping[str, float]:
    """What brings each of several costs to the scale of the smallest limit; nothing for one."""
    lowest = min(host.limits.values(), default=1.0)
    return {name: lowest / limit for name, limit in host.limits.items()}


def vector(observation: Any) -> np.ndarray:
    """An observation's parts side by side, in the order of their names."""
    parts = [np.ravel(leaf) for leaf in jax.tree.leaves(observation)]
    return np.concatenate(parts).astype(np.float32)


def _costs(timestep: Any, scale: Mapping[str, float]) -> np.ndarray:
    if timestep.constraints is None:
        return np.array([timestep.cost], np.float32)
    return np.asarray(timestep.constraints, np.float32) * np.array(list(scale.values()), np.float32)
