"""What commands and experiments do with discrete actions in environments of the user's."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from handrail.core.errors import HandrailError
from handrail.core.identity import environment_identity, fingerprint, passed_in
from handrail.core.informed import informed
from handrail.core.recorded import BUILT_BY, PASSED, stable
from handrail.core.types import Observation
from handrail.envs.base import DiscreteActions
from handrail.envs.changes import Changes
from handrail.envs.gymnasium.building import Host, build_host, built_twice, episode_steps
from handrail.envs.gymnasium.named import factory
from handrail.envs.jax_libraries.own import OwnEnvironment
from handrail.envs.perturbed import changed_host
from handrail.equations.action_masks import allowed_values
from handrail.interventions.base import Intervention
from handrail.interventions.overruled import overruled
from handrail.interventions.recipes import none
from handrail.interventions.substitutes import in_agent_units
from handrail.learners.base import Proposal
from handrail.methods.contrastive.agents import representation_learner
from handrail.methods.contrastive.artefacts import ENCODER, load_q
from handrail.methods.contrastive.encoder import train_encoder
from handrail.methods.contrastive.own_problems import problem_of, refuse_different_sources
from handrail.methods.contrastive.prior import train_prior
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.student import check_student, intervention_of, train_student
from handrail.methods.contrastive.table import METHODS
from handrail.methods.method import Method
from handrail.methods.sagui.evaluations import evaluated
from handrail.methods.sagui.pair import pair_row
from handrail.tasks.family import Files, Report
from handrail.tasks.own.discrete_resolve import OFFERED
from handrail.tasks.own.discrete_settings import OwnDqn, OwnEncoder, OwnPrior
from handrail.tasks.own.episode import rendering, to_record
from handrail.tasks.own.problems import options_of, passed_by_name, shield_of
from handrail.train.evaluate_pair import try_compiled, try_under
from handrail.train.rollout.base import Episodes
from handrail.train.rollout.drivers import Compiled
from handrail.train.rollout.frames import recorded_frames
from handrail.train.rollout.host import rollout_on_host
from handrail.train.rollout.recorded import RecordedEpisode
from handrail.train.step import Progress

Told = Callable[[str, int, int], None]


def acquire_prior(settings: OwnPrior, folder: Path, report: Told) -> None:
    """Learns a prior from the sources."""
    hosts, passed = sources_of(settings)
    problems = [_discrete(problem_of(host)) for host in hosts]
    refuse_different_sources(problems, hosts)
    train_prior(
        {str(place): one.itself for place, one in enumerate(problems[:-1])},
        problems[-1].itself, settings, folder,
        recorded={**stable(settings), PASSED: passed},
        provenance={"task": hosts[-1].name, "settings": dataclasses.asdict(settings)},
        report=report,
    )  # fmt: skip


def acquire_encoder(settings: OwnEncoder, folder: Path, report: Told) -> None:
    """Trains an encoder while a DQN explores."""
    host, passed = encoder_source_of(settings)
    problem = _discrete(problem_of(host))
    recorded = {"purpose": "encoder", **stable(settings), PASSED: passed}
    train_encoder(
        representation_learner(problem, settings), problem, settings, folder / "training",
        folder / ENCODER, recorded=recorded,
        provenance={"task": host.name, "settings": dataclasses.asdict(settings)},
        report=partial(report, "encoder"),
    )  # fmt: skip


def check(run: OwnDqn, files: Files) -> None:
    """Builds the environment, and refuses one that cannot be learnt in."""
    check_student(METHODS[run.method], run, files)
    _problem(run)


def train(
    run: OwnDqn, files: Files, folder: Path, recorded: dict[str, Any], report: Report
) -> dict[str, Any]:
    """Trains a DQN. What was passed in is compared with what the folder's run was given."""
    host, trial, passed = environments_of(run)
    longest = episode_steps(host, run.episode_length or None)
    problem = _discrete(problem_of(host, trial=trial, longest=longest))
    shield, said = shield_of(run), getattr(trial, "info_columns", None)
    return train_student(
        problem, files, _shielded(METHODS[run.method], shield), run, folder,
        recorded={**recorded, PASSED: passed},
        provenance={"task": run.environment, "settings": dataclasses.asdict(run)},
        test_episodes=run.test_episodes,
        also=lambda loop, state: said.means("test_") if said else {}, report=report,
    )  # fmt: skip


def evaluate(run: OwnDqn, file: Path, episodes: int, seed: int, changes: Changes) -> dict[str, Any]:
    """Return, cost and length of a greedy policy; means over whole episodes."""
    host, problem, longest = _problem(run)
    world: Any = changed_host(host, changes, name=run.environment)
    policy, keys = _policy(problem, file), jax.random.split(jax.random.key(seed), episodes)
    if isinstance(host, OwnEnvironment):
        done = try_compiled(world, policy, keys=keys)
    else:
        done = rollout_on_host(world, Compiled(policy), keys=keys, longest=longest)
    return _row(done, host, evaluated)


def shielded(
    run: OwnDqn, files: Files, file: Path, episodes: int, seed: int, changes: Changes
) -> dict[str, Any]:
    """The same of the policy under its run's intervention, which knows the encoder's unsafe states
    from the start.
    """
    host, problem, longest = _problem(run)
    world: Any = changed_host(host, changes, name=run.environment)
    done = try_under(
        world, _policy(problem, file), _intervention(problem, run, files), episodes=episodes,
        longest=longest, key=jax.random.key(seed),
    )  # fmt: skip
    return _row(done, host, pair_row)


def record(
    run: OwnDqn, file: Path, files: Files, episodes: int, seed: int, shielded: bool
) -> list[RecordedEpisode]:
    """Recorded episodes: frames, where the environment renders `rgb_array`."""
    make = factory(run.environment)
    host = build_host(lambda: rendering(make), **options_of(run))
    longest = episode_steps(host, run.episode_length or None)
    problem, intervention, acts = _discrete(problem_of(host)), none(), ""
    if shielded:
        own = _intervention(problem, run, files)
        intervention, acts = in_agent_units(own, host.agent_form), "a safer action"
    single = to_record(host)
    return recorded_frames(
        single, single.env, _policy(problem, file), intervention, environment=run.environment,
        method=run.method, acts=acts, episodes=episodes, seed=seed, longest=longest,
    )  # fmt: skip


class _Greedy(eqx.Module):
    """The best action that is allowed."""

    values: Callable[[Observation], Array]

    def __call__(
        self, observation: Observation, progress: Progress, key: Key[Array, ""]
    ) -> Proposal:
        seen = informed(observation)
        values = allowed_values(self.values(seen.observation), seen.allowed)
        return Proposal(jnp.argmax(values).astype(jnp.int32), {})


def _policy(problem: DiscreteProblem, file: Path) -> _Greedy:
    network = load_q(file, "policy", problem.inputs, problem.actions)
    return _Greedy(problem.inputs.frozen_values(network))


def sources_of(settings: OwnPrior) -> tuple[list[Host], dict[str, Any]]:
    """Where a prior is learnt, its own task last, and the description of what was passed in.

    Call it, and the two below, within `closes_environments`.
    """
    names = (*settings.sources, settings.environment)
    normalised = settings.source_learning.normalise_observations
    hosts = [_built(settings, name, normalised) for name in names]
    return hosts, {
        "sources": list(map(environment_identity, hosts, names)),
        "cost": fingerprint(options_of(settings)["cost"]),
        BUILT_BY: [fingerprint(factory(name)) for name in names],
    }


def encoder_source_of(settings: OwnEncoder) -> tuple[Host, dict[str, Any]]:
    """Where an encoder is trained, and the description of what was passed in."""
    name, cost = settings.environment, options_of(settings)["cost"]
    host = _built(settings, name, settings.acting.normalise_observations)
    return host, passed_in(host, name, cost=cost, **{BUILT_BY: factory(name)})


def environments_of(run: OwnDqn) -> tuple[Host, Host, dict[str, Any]]:
    """Where a run is trained, where it is tested, and the description of what was passed in."""
    options, warns = options_of(run), not run.learning.normalise_observations
    host, trial = built_twice(factory(run.environment), warn_of_scales=warns, **options)
    passed = passed_by_name(host, run.environment, cost=options["cost"], shield=shield_of(run))
    return host, trial, passed


def _problem(run: OwnDqn) -> tuple[Host, DiscreteProblem, int]:
    """An environment of the run, what is learnt in it, and the steps of its episodes."""
    host = build_host(factory(run.environment), **options_of(run))
    return host, _discrete(problem_of(host)), episode_steps(host, run.episode_length or None)


def _built(settings: OwnPrior | OwnEncoder, name: str, normalised: bool) -> Host:
    return build_host(
        factory(name), watched=True, warn_of_scales=not normalised, **options_of(settings)
    )


def _discrete(problem: DiscreteProblem) -> DiscreteProblem:
    if not isinstance(problem.environment.actions, DiscreteActions):
        raise HandrailError(
            f"{problem.name} has real actions, and the methods {', '.join(OFFERED)} are for "
            "discrete ones: choose another, such as budget-switch"
        )
    return problem


def _shielded(method: Method, shield: Intervention | None) -> Method:
    if shield is None:
        return method
    before = method.intervention
    return dataclasses.replace(
        method, intervention=lambda run, known: overruled(before(run, known), shield)
    )


def _intervention(problem: DiscreteProblem, run: OwnDqn, files: Files) -> Intervention:
    method, shield = METHODS[run.method], shield_of(run)
    if not method.needs and shield is None:
        return none()  # which whoever asks for a pair is told
    known = dataclasses.replace(run, safety=dataclasses.replace(run.safety, bring_known=True))
    return intervention_of(problem, files, _shielded(method, shield), method.adjust(known))


def _row(done: Episodes, host: Host, said: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Without what a run without a limit cannot say, unless several costs have theirs."""
    found = said(done, host.limit, host.limits)
    unsaid = () if host.limit is not None else ("limit", "within_limit", "shielded_within_limit")
    return {name: value for name, value in found.items() if name not in unsaid}
