"""Microseconds that `SafeExploration` adds to a step of somebody else's environment.

    python -m benchmarks.safe_exploration [--quick] [--recipe control-switch budget-switch]

A guide with two hidden layers of 32, observations of 60 numbers, actions of 2, in an environment
that does next to nothing. `bare` is that environment alone. One thread.
"""

from typing import Any

import numpy as np

from benchmarks.common import Contestant, Gate, Sheet, alternate, arguments, microseconds

OBSERVATION, ACTION, HIDDEN, LENGTH = 60, 2, (32, 32), 1000
TARGET = 150.0  # µs
RECIPES = ("bare", "control-switch", "budget-switch")


def environment() -> Any:
    """Costs every seventh step, and does nothing else."""
    import gymnasium

    class Idle(gymnasium.Env):
        action_space = gymnasium.spaces.Box(-2.0, 2.0, (ACTION,))
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATION,))

        def reset(self, *, seed=None, options=None):
            self.count = 0
            return np.zeros(OBSERVATION, np.float32), {}

        def step(self, action):
            self.count += 1
            observation = np.full(OBSERVATION, self.count % 5, np.float32)
            cost = float(self.count % 7 == 0)
            return observation, 0.0, False, self.count == LENGTH, {"cost": cost}

    return Idle()


def wrapped(recipe: str) -> Any:
    """The environment under the recipe, with a guide of random parameters."""
    if recipe == "bare":
        return environment()
    import jax

    from handrail.envs.transfer import SameView
    from handrail.interventions.recipes import budget_switch, control_switch
    from handrail.methods.sagui.guide import Guide, GuideNetworks
    from handrail.safe_exploration import SafeExploration

    networks = GuideNetworks.fresh(OBSERVATION, ACTION, HIDDEN, key=jax.random.key(0))
    guide = Guide(networks, SameView())
    interventions = {
        "control-switch": control_switch(guide.policy),
        "budget-switch": budget_switch(guide.policy, guide.cost, threshold=1.0, limit=25.0),
    }
    return SafeExploration(environment(), interventions[recipe])


def steps(gate: Gate, *, recipe: str, steps_a_turn: int) -> None:
    """Steps of random actions, drawn beforehand."""
    env = wrapped(recipe)
    actions = np.random.default_rng(0).uniform(-2, 2, (256, ACTION)).astype(np.float32)
    env.reset(seed=0)
    env.step(actions[0])  # compiles
    while True:
        gate()
        for number in range(steps_a_turn):
            _, _, terminated, truncated, _ = env.step(actions[number % 256])
            if terminated or truncated:
                env.reset()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--recipe", nargs="+", default=list(RECIPES[1:]))
    options = parser.parse_args()
    amount = 500 if options.quick else 5_000
    repeats = options.repeats or (2 if options.quick else 7)
    sheet = Sheet(
        "safe-exploration",
        quick=options.quick,
        settings={
            "observation": OBSERVATION,
            "action": ACTION,
            "hidden": HIDDEN,
            "steps per turn": amount,
            "repeats": repeats,
            "threads": 1,
            "target": f"less than {TARGET:.0f} µs a step",
        },
    )
    turns = alternate(
        {
            recipe: Contestant(steps, amount=amount, recipe=recipe, steps_a_turn=amount)
            for recipe in ("bare", *options.recipe)
        },
        repeats,
    )
    for recipe, taken in turns.items():
        taken_us = microseconds(taken)
        sheet.add(
            recipe=recipe, microseconds=taken_us, within_target=taken_us["cpu"].median < TARGET
        )
    sheet.write()


if __name__ == "__main__":
    main()
