"""handrail's lava runs as contestants: the real `execute`, held at the gate by its reports."""

import dataclasses
import tempfile
from pathlib import Path

from benchmarks.common import Gate

LEARNING_STARTS = 1_000
METHODS = ("dqn", "action check", "full", "full-adaptive")


def learning():
    """The paper's hyper-parameters, but learning starts early."""
    from handrail.methods.contrastive.settings import QLearning

    return QLearning(learning_starts=LEARNING_STARTS)


def build_loop(method: str, observation: str, total: int, *, seed: int = 123):
    """The loop of a method on LavaCrossingS9N1.

    Prior and embeddings are random tables: what they hold does not change the compiled work.
    """
    import jax
    import jax.numpy as jnp

    from handrail.interventions.near_unsafe import AdaptiveRadius, FixedRadius, NearUnsafe
    from handrail.interventions.recipes import contrastive, domain_prior
    from handrail.methods.contrastive.student import student_loop
    from handrail.methods.contrastive.table import METHODS
    from handrail.networks.lookup import Lookup
    from handrail.tasks.lava.problems import student_problem
    from handrail.tasks.lava.settings import LavaRun

    run = LavaRun(
        "LavaCrossingS9N1", "dqn", observation, seed=seed, steps=total, learning=learning()
    )
    loop = student_loop(student_problem(run, observation), {}, METHODS["dqn"], run)
    if method == "dqn":
        return loop
    live = loop.environment.observations.live
    prior_key, embedding_key = jax.random.split(jax.random.key(0))
    prior = Lookup(jax.random.normal(prior_key, (live, loop.environment.actions.n)))
    if method == "action check":
        return dataclasses.replace(loop, intervention=domain_prior(prior))
    near = NearUnsafe(
        embed=Lookup(jax.random.normal(embedding_key, (live, 50))),
        initial_embeddings=jnp.zeros((0, 50)),
        radius={"full": FixedRadius, "full-adaptive": AdaptiveRadius}[method](),
    )
    return dataclasses.replace(loop, intervention=contrastive(near, prior))


def train(gate: Gate, *, method: str, observation: str, steps: int) -> None:
    """A run that never ends, with tables and checkpoints as always; a turn is `steps` steps."""
    from handrail.train import run

    loop = build_loop(method, observation, 100_000_000)

    def report(step: int, metrics: dict[str, float]) -> None:
        done = step - LEARNING_STARTS
        if done > 0 and done % steps == 0:
            gate()

    run.CHUNK_STEPS = min(run.CHUNK_STEPS, steps)  # it reports after a chunk
    with tempfile.TemporaryDirectory() as folder:
        run.execute(
            loop,
            Path(folder) / "run",
            {"purpose": "benchmark"},
            seed=123,
            summarise=lambda state: {},
            report=report,
        )
