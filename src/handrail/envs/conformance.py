"""Does an environment keep the rules that safe learning relies on? All problems are reported."""

from collections.abc import Callable
from typing import Any

import numpy as np

from handrail.core.arguments import seed_number, shown, whole
from handrail.core.errors import HandrailError
from handrail.envs.base import AbstractEnvironment, DiscreteActions
from handrail.envs.finding import Finding
from handrail.envs.gymnasium.actions import AbstractActionCodec, action_codec
from handrail.envs.gymnasium.costs import CostFn, Costs
from handrail.envs.gymnasium.layers import is_shared, refuse_running_statistics, simulators
from handrail.envs.gymnasium.raw import (
    close_environment,
    environment_name,
    read_reset,
    registered_steps,
)
from handrail.envs.gymnasium.spaces import (
    READABLE,
    ObservationCodec,
    how_to_leave_out,
    named_parts,
    readable_parts,
)
from handrail.envs.jax_libraries.conformance import check_compiled
from handrail.envs.random_walk import Walk, random_walk

Make = Callable[[], Any]
RULES = (
    "builds", "actions", "observations", "seeded reset", "steps", "observation values",
    "observation in its space", "reward", "cost", "ends", "reset after an end", "determinism",
)  # fmt: skip


def check_environment(
    make: Make, *, cost: CostFn | None = None, steps: int = 1000, seed: int = 0
) -> list[Finding]:
    """Walks `steps` random steps and says of each rule whether it holds.

    `make()` builds a fresh environment; it is called three times, to compare runs with equal
    seeds. `cost` as for `GymnasiumHost`. Nothing is raised for what the environment does wrong: it
    is in the findings, one for each of `RULES` that could be examined, in their order. A
    compiled environment has the rules of `jax_libraries.conformance`.
    """
    steps, seed = whole("steps", steps, least=1), seed_number(seed)
    if not callable(make):
        raise HandrailError(
            f"the environment is {shown(make)}; expected a function that builds it, such as "
            "lambda: gymnasium.make('CartPole-v1')"
        )
    costs, env = Costs(cost), None
    try:
        env = make()
        if isinstance(env, AbstractEnvironment):
            return check_compiled(env, has_cost_fn=cost is not None, steps=steps, seed=seed)
        name = environment_name(env)
        refuse_running_statistics(env, name)
    except HandrailError as error:
        close_environment(env)
        return [Finding("builds", "wrong", str(error))]
    except Exception as error:
        return [Finding("builds", "wrong", f"building it raised {type(error).__name__}: {error}")]
    found = [Finding("builds", "ok", name)]
    codec, seen = _actions(found, env.action_space), _observations(found, env.observation_space)
    if codec is None or seen is None:
        close_environment(env)
        return found
    walk = random_walk(env, codec, seen, costs, steps, seed)
    close_environment(env)
    found += _verdicts(walk, env, costs)
    if "steps" not in walk.problems and "seeded reset" not in walk.problems:
        found.append(_determinism(make, codec, costs, min(steps, 200), seed))
    return found


def _actions(found: list[Finding], space: Any) -> AbstractActionCodec | None:
    try:
        codec = action_codec(space)
    except HandrailError as error:
        found.append(Finding("actions", "wrong", str(error)))
        return None
    actions = codec.actions
    if isinstance(actions, DiscreteActions):
        what = f"{actions.n} numbered ones"
    else:
        what = f"{actions.size} real numbers, rescaled to [-1, 1]"
    found.append(Finding("actions", "ok", what))
    return codec


def _observations(found: list[Finding], space: Any) -> ObservationCodec | None:
    """A codec of the parts that can be read; those that cannot are a note if there are others."""
    try:
        readable = readable_parts(space)
        codec = ObservationCodec(space, readable or None)
    except HandrailError as error:
        found.append(Finding("observations", "wrong", str(error)))
        return None
    what = ", ".join(f"{name or 'one array'} {part.shape}" for name, part in codec.codecs.items())
    unread = sorted(set(named_parts(space)) - set(readable or ()))
    if unread:
        what += f"; not {', '.join(READABLE)}: {', '.join(unread)}: {how_to_leave_out(space)}"
        found.append(Finding("observations", "note", what))
    else:
        found.append(Finding("observations", "ok", what))
    return codec


def _verdicts(walk: Walk, env: Any, costs: Costs) -> list[Finding]:
    ended = f"{len(walk.ends)} episodes ended in {walk.steps} steps"
    fine = {
        "seeded reset": "reset(seed=...) returns (observation, info)",
        "steps": f"{walk.steps} random steps",
        "observation values": "finite numbers, shape and dtype do not change",
        "observation in its space": "always",
        "reward": "finite numbers",
        "ends": ended,
        "reset after an end": f"{walk.resets_after_end} resets",
    }
    found = []
    for rule in RULES[3:-1]:
        if rule in walk.problems:
            found.append(Finding(rule, "wrong", walk.problems[rule]))
        elif rule == "cost":
            found += _cost(walk, costs)
        elif rule == "ends" and walk.steps:
            found.append(_ends(walk, env, fine[rule]))
        elif rule == "reset after an end" and not walk.ends:
            continue
        elif rule in fine and (walk.steps or rule == "seeded reset"):
            found.append(Finding(rule, "ok", fine[rule]))
    return found


def _cost(walk: Walk, costs: Costs) -> list[Finding]:
    if not walk.costs:
        return []
    if len({frozenset(named) for named in walk.costs}) > 1:
        return [Finding("cost", "wrong", "the names of the costs change between steps")]
    names = sorted(walk.costs[0])
    shares = {name: np.mean([named[name] > 0 for named in walk.costs]) for name in names}
    text = ", ".join(f"{name} > 0 in {share:.1%} of the steps" for name, share in shares.items())
    if not any(shares.values()):
        text += "; nothing to learn safety from, unless random actions are safe"
        return [Finding("cost", "note", text)]
    if walk.first_states_cost and costs.cost_fn is None:
        text += "; the cost in reset's info is not read: costs count from the first step on"
        return [Finding("cost", "note", text)]
    if names != ["cost"]:
        text += "; give each its limit with GymnasiumHost(limits=...)"
    return [Finding("cost", "ok", text)]


def _ends(walk: Walk, env: Any, text: str) -> Finding:
    """A time limit must not be reported as `terminated`: values would stop there."""
    limit = registered_steps(env) or -1
    lengths = [length for length, terminated, _ in walk.ends if terminated]
    truncations = sum(truncated for _, _, truncated in walk.ends)
    text += f": {len(walk.ends) - truncations} terminated, {truncations} truncated"
    if lengths.count(limit) > 1:
        return Finding(
            "ends", "wrong",
            f"{lengths.count(limit)} episodes of {limit} steps, which is max_episode_steps, "
            "ended as terminated; a time limit is truncated=True, terminated=False",
        )  # fmt: skip
    if len(lengths) > 2 and len(set(lengths)) == 1 and lengths[0] > 1:
        return Finding(
            "ends", "note",
            f"all {len(lengths)} terminated episodes lasted exactly {lengths[0]} steps under "
            "random actions: a time limit should be truncated=True, terminated=False",
        )  # fmt: skip
    if not walk.ends:
        return Finding(
            "ends", "note", f"{text}; add a time limit (max_episode_steps) if none is set"
        )
    return Finding("ends", "ok", text)


def _determinism(
    make: Make, codec: AbstractActionCodec, costs: Costs, steps: int, seed: int
) -> Finding:
    """The same seed and actions twice, in environments of their own; and another seed."""
    rule = "determinism"
    first = again = None
    try:
        first, again = make(), make()
        if is_shared(simulators(first) + simulators(again)):
            return Finding(
                rule, "wrong",
                "the function gave one environment twice; it has to build a new one whenever it "
                "is called, since training and evaluation each need their own",
            )  # fmt: skip
        one = random_walk(first, codec, None, costs, steps, seed).trajectory
        two = random_walk(again, codec, None, costs, steps, seed).trajectory
        repeated = random_walk(first, codec, None, costs, steps, seed).trajectory
        other, _ = read_reset(first, seed + 1)
    except Exception as error:
        return Finding(rule, "wrong", f"a repetition raised {type(error).__name__}: {error}")
    finally:
        close_environment(first)
        close_environment(again)
    for what, trajectory in (("a second environment", two), ("the same environment", repeated)):
        step = _difference(one, trajectory)
        if step is not None:
            return Finding(
                rule, "wrong",
                f"with the same seed and actions, {what} went another way at step {step}; draw all "
                "randomness from self.np_random, which reset(seed=...) seeds, and clear all state",
            )  # fmt: skip
    if _equal(one[0][0], other):
        return Finding(rule, "note", "equal seeds agree; two seeds begin with the same observation")
    return Finding(rule, "ok", "equal seeds and actions give equal trajectories; seeds differ")


def _difference(one: list[tuple], two: list[tuple]) -> int | None:
    if len(one) != len(two):
        return min(len(one), len(two))
    pairs = enumerate(zip(one, two, strict=True))
    return next((i for i, (a, b) in pairs if len(a) != len(b) or not all(map(_equal, a, b))), None)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)
    one, two = np.asarray(a), np.asarray(b)
    kinds = one.dtype.kind + two.dtype.kind
    return one.shape == two.shape and np.array_equal(one, two, equal_nan=set(kinds) <= set("fc"))
