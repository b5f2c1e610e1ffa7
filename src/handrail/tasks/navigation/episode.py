"""Recorded episodes of students, alone or with their guide: what a picture from above needs."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Timestep
from handrail.envs.navigation.compiled import CompiledNavigation, NavigationState
from handrail.envs.navigation.drawing import Scene
from handrail.envs.navigation.tasks import GOAL_BONUS, GOAL_RADIUS, NavigationTask
from handrail.envs.safety_gymnasium.tasks import ArenaTask
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import none
from handrail.learners.sac.networks import Sampled
from handrail.methods.sagui.pair import acts_instead, intervention_of
from handrail.methods.sagui.pretraining import open_policy
from handrail.methods.sagui.settings import StudentRun
from handrail.tasks.navigation.problems import target_of
from handrail.train.evaluate_pair import check_lasting
from handrail.train.rollout.base import Drawn, Episodes, RolloutPolicy
from handrail.train.rollout.compiled import rollout
from handrail.train.rollout.drivers import Compiled
from handrail.train.rollout.host import rollout_on_host
from handrail.train.rollout.recorded import RecordedEpisode
from handrail.train.rollout.recording import Filmed, columns_of, decided, named

LIDARS = tuple(
    f"{kind}_lidar"
    for kind in (
        "hazards", "goal", "vases", "buttons", "gremlins", "pillars", "push_box", "circle"
    )
)  # fmt: skip
Film = dict[str, np.ndarray]
"""The states of an episode, a row each: `robot` (x, y, heading), `goal`, `vases`, `hazards`, and
what stands: `discs` (x, y, radius), `walls` (x) and `rings` (radius around the middle)."""
STANDING = ("discs", "walls", "rings")


def record_students(
    run: StudentRun, file: Path, files: Mapping[str, Path], episodes: int, seed: int, shielded: bool
) -> list[RecordedEpisode]:
    """Episodes of a student's policy, sampled as it acts in training.

    With `shielded` the intervention of its method acts, without the random intervals in which a
    guide acts in training. Episodes of one seed begin alike, whoever acts in them.
    """
    where = target_of(run)
    intervention = intervention_of(where, run, files) if shielded else none()
    check_lasting(intervention)
    _, policy = open_policy(file, where.interface, "policy")
    keys = jax.random.split(jax.random.key(seed), episodes)
    environment: Any = where.testing
    done, films = played(environment, Drawn(Sampled(policy)), intervention, keys)
    acts = acts_instead(run.method) if shielded else ""
    return [
        dataclasses.replace(episode, method=run.method, seed=seed, shielded=bool(acts), acts=acts)
        for episode in recorded(environment, run.environment, done, films, intervention)
    ]


def recorded(
    environment: Any, name: str, done: Episodes, films: list[Film], intervention: Intervention
) -> list[RecordedEpisode]:
    """What was `played` in the environment of this name, as recorded episodes of no method."""
    thresholds, sizes = intervention.when.thresholds(), _sizes(environment.task)
    episodes = []
    for number, film in enumerate(films):
        columns = columns_of(done, number, thresholds, _lidars)
        states = {name: film[name] for name in ("robot", "goal", "vases") if film[name].size}
        goals = int(np.sum(columns["reward"] > GOAL_BONUS / 2))
        met = f"{goals} {'goal' if goals == 1 else 'goals'} reached"
        episodes.append(
            RecordedEpisode(
                kind="navigation",
                environment=name,
                number=number,
                columns=columns | named("state", states),
                scene={
                    "extent": environment.task.extent,
                    "robot": environment.task.robot,
                    "hazards": np.round(film["hazards"][0], 4).tolist(),
                    **sizes,
                    **{
                        name: np.round(film[name][0], 4).tolist()
                        for name in STANDING
                        if name in film and film[name].size
                    },
                },
                thresholds=thresholds,
                outcome=met if sizes["goal_radius"] else "",
            )
        )
    return episodes


def _sizes(task: NavigationTask | ArenaTask) -> dict[str, float]:
    """Radii, and half an edge of what can be moved (m); 0 of what there is not."""
    if isinstance(task, NavigationTask):
        return {
            "hazard_size": task.hazards.size,
            "vase_size": task.vases.size,
            "goal_radius": GOAL_RADIUS,
        }
    groups = task.group("hazards"), task.movable, task.group("goal")
    names = ("hazard_size", "vase_size", "goal_radius")
    return {
        name: 0.0 if group is None else group.size
        for name, group in zip(names, groups, strict=True)
    }


def _lidars(seen: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: seen[name] for name in LIDARS if name in seen}


def played(
    environment: Any,
    policy: RolloutPolicy,
    intervention: Intervention,
    keys: Key[Array, " episodes"],
) -> tuple[Episodes, list[Film]]:
    """Episodes of a policy under an intervention, with their states, one more than steps.

    Raises `HandrailError` for an environment that says nothing of its places.
    """
    if isinstance(environment, CompiledNavigation):
        return _compiled(environment, policy, intervention, keys)
    if hasattr(environment, "engine"):
        return _on_host(environment, policy, intervention, keys)
    raise HandrailError(f"{type(environment).__name__} is no navigation task that has a picture")


def _compiled(
    environment: CompiledNavigation,
    policy: RolloutPolicy,
    intervention: Intervention,
    keys: Key[Array, " episodes"],
) -> tuple[Episodes, list[Film]]:
    done, first = jax.device_get(_rolled(environment, policy, intervention, keys))
    after = done.steps.outcomes
    films = []
    for number, length in enumerate(done.lengths):
        states = jax.tree.map(
            lambda begun, went, n=number, to=length: np.concatenate([begun[n][None], went[n, :to]]),
            first, after,
        )  # fmt: skip
        films.append({**states, "vases": np.zeros((len(states["robot"]), 0, 3))})
    return done, films


@eqx.filter_jit
def _rolled(environment, policy, intervention, keys):
    done = rollout(
        environment,
        policy,
        lambda key, number: intervention,
        keys=keys,
        record=decided,
        outcome=_seen_from_above,
    )
    begun = jax.vmap(lambda key: environment.reset(key=stream(key, "reset"))[0])(keys)
    return done, jax.vmap(lambda state: _seen_from_above(state, None))(begun)


def _seen_from_above(state: NavigationState, timestep: Timestep | None) -> PyTree:
    body = state.body
    return {
        "robot": jnp.append(body.position, body.heading),
        "goal": state.goal,
        "hazards": state.hazards,
    }


def _on_host(
    environment: Any,
    policy: RolloutPolicy,
    intervention: Intervention,
    keys: Key[Array, " episodes"],
) -> tuple[Episodes, list[Film]]:
    def look(number: int) -> Film:
        scene: Scene = environment.engine.scene()
        goal = np.full(2, np.nan) if scene.goal is None else scene.goal
        return {
            "robot": np.append(scene.robot, scene.heading),
            "goal": np.asarray(goal),
            "hazards": scene.hazards,
            "vases": np.column_stack([scene.vases, scene.vase_headings]),
            **{name: getattr(scene, name) for name in STANDING},
        }

    filmed = Filmed(environment, look)
    driver = Compiled(policy, lambda key, number: intervention, record=decided, at_once=True)
    done = rollout_on_host(filmed, driver, keys=keys, longest=environment.episode_length)
    films = [
        {name: np.stack([state[name] for state in film]) for name in film[0]}
        for film in filmed.films
    ]
    return done, films
