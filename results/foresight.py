"""What guides foresee of other drivers' actions, beside what follows: the truth by driving on.

    python results/foresight.py GUIDE [--driver POLICY] [--states 240] [--rollouts 8]

On MuJoCo's tasks. A driver (the policy of a run; without one, random actions, each held for 20
steps) drives in the target, in every second episode under budget-switch at a foreseen 2. In some
of its states the world is set back again and again: the driver's action goes on as the guide's
card expects (`guide.action_repeat_prob`), then the guide takes over, for 100 steps in all. Printed
is what followed, discounted, beside what the guide had foreseen, and how well that tells states in
which more than 1 follows from those in which less than 0.1 does (1 always, 0.5 by chance).
"""

import argparse
import itertools
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.artifact import load
from handrail.envs.navigation.problems import navigation_problem
from handrail.interventions.base import Intervention
from handrail.interventions.substitutes import Policy
from handrail.interventions.triggers import CostCriticExceeds
from handrail.learners.base import Proposal
from handrail.learners.sac.networks import Distribution, Sampled
from handrail.methods.sagui.guide import Guide
from handrail.methods.sagui.guide_file import load_guide
from handrail.methods.sagui.pretraining import open_policy
from handrail.tasks.navigation.problems import interface_in
from handrail.train.step import Progress, judge

EPISODES, STEPS, SHARE = 16, 300, 0.08  # episodes, steps of each, share of the steps asked about
HELD, DRIVES_ON, THRESHOLD = 20, 100, 2.0
BINS = (0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 5.0, np.inf)


class Asked(eqx.Module):
    """A guide, and the driver that it is asked about."""

    guide: Guide
    driver: Distribution | None  # None: a held action drives

    @eqx.filter_jit
    def about(self, observation, held, key):
        """What the driver does, what the guide foresees of that, and what budget-switch does."""
        action = held
        if self.driver is not None:
            action = Sampled(self.driver)(observation, jax.random.split(key)[0])[0]
        guided = Policy(lambda observation, _: (self._act(observation, key), {}))
        context, decision = judge(
            Intervention(CostCriticExceeds(self.guide.cost, THRESHOLD), guided),
            Proposal(action, {}), (), observation, Progress.begin(),
            share_done=jnp.float32(0), key=key,
        )  # fmt: skip
        return context.proposed, decision.evidence["predicted_cost"], decision.action

    @eqx.filter_jit
    def guided(self, observation, key):
        """What the guide does."""
        return self._act(observation, key)

    def _act(self, observation, key):
        return Sampled(self.guide.distribution)(observation, jax.random.split(key)[1])[0]


def states(environment, asked: Asked, draws: np.random.Generator) -> list[tuple]:
    """Snapshots of the way with observation, action and what was foreseen of it."""
    picked, held = [], jnp.zeros(2)
    for episode in range(EPISODES):
        observation = environment.reset(key=jax.random.key(300 + episode))
        for step in range(STEPS):
            if step % HELD == 0:
                held = jnp.asarray(draws.uniform(-1, 1, 2), jnp.float32)
            key = jax.random.key(1000 * episode + step)
            action, foreseen, switched = asked.about(observation, held, key)
            if draws.random() < SHARE:
                picked.append((environment.snapshot(), observation, action, float(foreseen)))
            done = switched if episode % 2 else action
            timestep = environment.step(np.asarray(done), key=key)
            observation = timestep.observation
            if timestep.terminated or timestep.truncated:
                break
    return picked


def followed(environment, asked: Asked, state, action_repeat_prob: float, draws) -> float:
    """The discounted cost of one way on: the action, while it is insisted on, then the guide."""
    snapshot, observation, action, _ = state
    environment.restore(snapshot)
    insists, total = True, 0.0
    for step in range(DRIVES_ON):
        if not insists:
            key = jax.random.key(int(draws.integers(2**31)))
            action = asked.guided(observation, key)
        timestep = environment.step(np.asarray(action), key=jax.random.key(0))
        observation = timestep.observation
        total += asked.guide.discount**step * float(timestep.cost)
        insists = insists and draws.random() < action_repeat_prob
        if timestep.terminated or timestep.truncated:
            break
    return total


def table(foreseen: np.ndarray, truth: np.ndarray) -> str:
    """Both by how much was foreseen, and the share of pairs that are told apart."""
    lines = ["foreseen      states  mean   followed"]
    for low, high in itertools.pairwise(BINS):
        inside = (foreseen >= low) & (foreseen < high)
        if inside.any():
            means = f"{foreseen[inside].mean():5.2f}  {truth[inside].mean():8.2f}"
            lines.append(f"{low:4.1f} to {high:4.1f}  {inside.sum():6}  {means}")
    safe, harmful = truth < 0.1, truth > 1
    told = (foreseen[harmful][:, None] > foreseen[safe]).mean()
    lines += [
        f"all           {len(truth):6}  {foreseen.mean():5.2f}  {truth.mean():8.2f}",
        f"where less than 0.1 follows ({safe.sum()}): {foreseen[safe].mean():.2f} foreseen, more "
        f"than {THRESHOLD:g} in {(foreseen[safe] > THRESHOLD).mean():.0%}",
        f"where more than 1 follows ({harmful.sum()}): {foreseen[harmful].mean():.2f} foreseen, "
        f"more than {THRESHOLD:g} in {(foreseen[harmful] > THRESHOLD).mean():.0%}",
        f"told apart: {told:.2f}",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("guide", type=Path)
    parser.add_argument("--driver", type=Path)
    parser.add_argument("--states", type=int, default=240)
    parser.add_argument("--rollouts", type=int, default=8)
    options = parser.parse_args()
    settings = load(options.guide, expect="guide")[0].training["settings"]
    problem = navigation_problem(settings["environment"])
    interface = interface_in(problem.target, problem.name)
    driver = options.driver and open_policy(options.driver, interface, "policy")[1]
    asked = Asked(load_guide(options.guide, problem), driver)
    draws = np.random.default_rng(0)
    picked = states(problem.target, asked, draws)
    draws.shuffle(picked)
    picked = picked[: options.states]
    truth = [
        np.mean([
            followed(problem.target, asked, state, settings["action_repeat_prob"], draws)
            for _ in range(options.rollouts)
        ])
        for state in picked
    ]  # fmt: skip
    print(table(np.array([state[-1] for state in picked]), np.array(truth)))


if __name__ == "__main__":
    main()
