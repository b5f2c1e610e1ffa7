"""Q-learning on discrete tasks of one's own, and the prior that several of them give."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from handrail.artifact import Card, fill, load, part_shapes, save, widths
from handrail.envs.base import DiscreteActions
from handrail.envs.host import HostTimestep
from handrail.envs.host_costs import CostFn
from handrail.envs.host_wrappers import RewardFn
from handrail.envs.vector_wrappers import rewarded
from handrail.equations.pseudo_reward import pseudo_reward
from handrail.errors import HandrailError
from handrail.experiments.lava.build import q_agent
from handrail.experiments.lava.knowledge_settings import PRIOR
from handrail.experiments.lava.settings import QLearning
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import none
from handrail.learners.q_agent import QAgent
from handrail.learners.sac_networks import observation_vector
from handrail.learners.values import Direct
from handrail.networks.mlp import MLP
from handrail.own.environments import (
    Environment,
    Host,
    build_host,
    closes_environments,
    first_observation,
    host_of,
    named,
)
from handrail.train.compiled import RunState
from handrail.train.evaluate_copies import run_episodes
from handrail.train.host import HostLoop
from handrail.train.run import execute
from handrail.types import Observation

EPISODE_LENGTH = 1_000
POLICY, PRIOR_FILE = "policy.safetensors", "prior.safetensors"
SOURCE = QLearning(learning_starts=1_000)


class VectorQ(eqx.Module):
    """Action values of an observation's parts side by side."""

    mlp: MLP

    @staticmethod
    def fresh(
        width: int, hidden: tuple[int, ...], actions: int, *, key: Key[Array, ""]
    ) -> "VectorQ":
        """Untrained, for vectors of this width."""
        return VectorQ(MLP((width, *hidden, actions), key=key))

    def __call__(self, observation: Observation) -> Float[Array, " actions"]:
        return self.mlp(observation_vector(observation))


@eqx.filter_jit
def _best_action(network: VectorQ, observation: Any) -> Any:
    return jnp.argmax(network(observation)).astype(jnp.int32)


@closes_environments
def train_dqn(
    environment: Environment,
    folder: Path | str,
    *,
    intervention: Intervention | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    episode_length: int = EPISODE_LENGTH,
    steps: int = 100_000,
    evaluation_episodes: int = 10,
    learning: QLearning | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda step, total: None,
) -> dict[str, Any]:
    """Trains a double DQN under an intervention; returns a summary and tests the greedy policy.

    The policy is kept as `policy.safetensors`. A run that was interrupted goes on from its last
    checkpoint when called again; a finished one is not repeated.

    Args:
        environment: id of the environment, or a function that builds it, or several of it side
            by side (a Gymnasium vector environment).
        folder: of the run; it must be empty or hold this very run.
        intervention: WHEN × WHAT, such as `domain_prior(load_prior(...))`; none by default.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        episode_length: the time limit in steps, of training and of the test.
        steps: environment steps, those of all side by side.
        evaluation_episodes: whole episodes of the test.
        learning: the learner.
        seed: of everything.
        report: called as `report(step, total)`.
    """
    learning = SOURCE if learning is None else learning
    host, trial = (
        build_host(
            environment, cost=cost, limits=limits, parts=parts, episode_length=episode_length
        )
        for _ in range(2)
    )
    settings = {
        "purpose": "own dqn", "environment": host.name, "intervention": str(intervention),
        "cost": named(cost), "limits": None if limits is None else dict(limits),
        "parts": part_shapes(host.observation_zeros()),
        "episode_length": episode_length, "steps": steps,
        "evaluation_episodes": evaluation_episodes, "seed": seed,
        "learning": dataclasses.asdict(learning),
    }  # fmt: skip
    agent = q_learner(host, learning)

    def summarise(state: RunState) -> dict[str, Any]:
        network = state.agent.network
        save(Path(folder) / POLICY, _card("policy", host, settings, learning), network)
        test = run_episodes(
            trial, lambda _: partial(_best_action, network), episodes=evaluation_episodes,
            longest=settings["episode_length"], key=jax.random.key(seed),
        )  # fmt: skip
        return {
            "greedy_return": float(test.returns.mean()),
            "greedy_cost": float(test.costs.mean()),
            "greedy_length": float(test.lengths.mean()),
        }

    chosen = none() if intervention is None else intervention
    return execute(
        HostLoop(host, agent, chosen, steps), Path(folder), settings, seed=seed,
        summarise=summarise, report=lambda step, metrics: report(step, steps),
    )  # fmt: skip


@closes_environments
def train_prior(
    sources: Sequence[Environment],
    folder: Path | str,
    *,
    cost: CostFn | None = None,
    parts: Sequence[str] | None = None,
    steps: int = 100_000,
    prior_steps: int = 100_000,
    learning: QLearning | None = None,
    prior_learning: QLearning | None = None,
    undesirable: float = 0.1,
    seed: int = 0,
) -> Path:
    """Learns which actions are bad in all `sources` (arXiv:1909.04307); returns its file.

    Each source is learnt by a DQN; then a Q-function of their pseudo-reward is learnt in the
    last one. Bad must show in the *rewards* of the sources, as in the papers; costs do not
    enter. After an end follows a first state, as in the authors' scripts: where rewards are never
    negative, ends would look no worse than anything else (docs/decisions.md, C4).

    Args:
        sources: at least two tasks with the same observation and actions; each an environment as
            of `train_dqn`.
        folder: of the runs.
        cost: as of `GymnasiumHost`, also `parts`; it is recorded, not learnt from.
        steps: of each source.
        prior_steps: of the prior.
        learning: the learner of the sources.
        prior_learning: the learner of the prior.
        undesirable: undesirability above which an action earns a pseudo-reward.
        seed: of everything.
    """
    folder = Path(folder)
    if len(sources) < 2:
        raise HandrailError(
            f"{len(sources)} sources: a prior needs at least 2, since what only one task dislikes "
            "is not unsafe in general"
        )
    learning = SOURCE if learning is None else learning
    hosts = [
        build_host(source, cost=cost, parts=parts, episode_length=EPISODE_LENGTH)
        for source in sources
    ]
    shapes = [(part_shapes(h.observation_zeros()), h.actions) for h in hosts]
    for host, shape in zip(hosts, shapes, strict=True):
        if shape != shapes[0]:
            raise HandrailError(
                f"{host.name} observes {shape[0]} with {shape[1]}, {hosts[0].name} {shapes[0][0]} "
                f"with {shapes[0][1]}; sources need the same observation and actions"
            )
    for number, source in enumerate(sources):
        train_dqn(
            source, folder / f"source-{number}", cost=cost, parts=parts, steps=steps,
            learning=learning, evaluation_episodes=1,
            seed=100 * seed + number,
        )  # fmt: skip
    networks = [
        _read(folder / f"source-{number}" / POLICY, "policy", host)
        for number, host in enumerate(hosts)
    ]
    prior_learning = (
        dataclasses.replace(PRIOR, learning_starts=1_000)
        if prior_learning is None
        else prior_learning
    )
    host = hosts[-1]
    first = first_observation(host, key=jax.random.key(seed))
    reward = pseudo_rewards(networks, learning.discount, undesirable, first)
    settings = {
        "purpose": "own prior", "sources": [h.name for h in hosts], "steps": prior_steps,
        "parts": shapes[0][0], "cost": named(cost), "undesirable": undesirable, "seed": seed,
        "learning": dataclasses.asdict(prior_learning),
        "source_checksums": [
            load(folder / f"source-{number}" / POLICY)[0].checksum for number in range(len(hosts))
        ],
    }  # fmt: skip

    def keep(state: RunState) -> dict[str, Any]:
        card = _card("prior", host, settings, prior_learning)
        save(folder / PRIOR_FILE, card, state.agent.network)
        return {}

    loop = HostLoop(rewarded(host, reward), q_learner(host, prior_learning), none(), prior_steps)
    execute(loop, folder / "prior", settings, seed=100 * seed + 99, summarise=keep)
    return folder / PRIOR_FILE


def load_prior(
    path: Path | str, environment: Any, *, parts: Sequence[str] | None = None
) -> VectorQ:
    """The prior of a file, for `domain_prior` and others, if it fits this Gymnasium environment."""
    return _read(Path(path), "prior", host_of(environment, parts=parts))


def _read(path: Path, kind: str, host: Host) -> VectorQ:
    parts = part_shapes(host.observation_zeros())
    actions = action_count(host)
    card, arrays = load(path, expect=kind, spec={"parts": parts, "actions": actions})
    width = observation_vector(host.observation_zeros()).shape[0]
    hidden = widths(card, "hidden", source=str(path))
    fresh = VectorQ.fresh(width, hidden, actions, key=jax.random.key(0))
    return fill(fresh, arrays, source=str(path))


def q_learner(host: Host, learning: QLearning) -> QAgent:
    """Double DQN on the observation's parts side by side."""
    width = observation_vector(host.observation_zeros()).shape[0]
    actions = action_count(host)
    network = partial(VectorQ.fresh, width, learning.hidden, actions)
    return q_agent(learning, Direct(), network, actions)


def pseudo_rewards(
    networks: list[VectorQ], discount: float, threshold: float, first: Any
) -> RewardFn:
    """The pseudo-reward of a step, from source Q-functions; `first` is a first observation."""

    @jax.jit
    def of(observation: Any, action: Any, following: Any) -> Array:
        q = jnp.stack([network(observation) for network in networks])
        values = jnp.stack([network(following).max() for network in networks])
        return pseudo_reward(q, action, values, discount=discount, threshold=threshold)

    def reward(observation: Any, action: Any, timestep: HostTimestep) -> float:
        following = first if timestep.terminated else timestep.observation
        return float(of(observation, action, following))

    return reward


def action_count(host: Host) -> int:
    """How many discrete actions it has. Raises `HandrailError` where they are real numbers."""
    if not isinstance(host.actions, DiscreteActions):
        raise HandrailError(
            f"{host.name} has real actions; for these there are handrail.train_guide and "
            "handrail.train_student"
        )
    return host.actions.n


def _card(kind: str, host: Host, settings: Any, learning: QLearning) -> Card:
    return Card(
        kind=kind,
        spec={"parts": settings["parts"], "actions": action_count(host), "view": "named parts"},
        network={"hidden": list(learning.hidden)},
        training={"task": host.name, "settings": settings},
    )
