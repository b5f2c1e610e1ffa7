"""Q-learning, priors and encoders on environments with discrete actions of one's own."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from handrail.api.reporting import leaves_report
from handrail.core.arguments import (
    Range,
    folder_of,
    number,
    override,
    seed_number,
    settings_of,
    shown,
    truth,
    whole,
)
from handrail.core.artifact import checksums
from handrail.core.errors import HandrailError
from handrail.core.identity import environment_identity, fingerprint, passed_in
from handrail.core.recorded import PASSED, stable
from handrail.core.renamed import SETTINGS, takes_old_names
from handrail.envs.gymnasium.building import (
    Environment,
    build_host,
    built_twice,
    checked_intervention,
    closes_environments,
)
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.side_info import SideInfo
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import none
from handrail.interventions.with_info import info_names
from handrail.methods.contrastive import encoder as encoder_training
from handrail.methods.contrastive import prior as prior_training
from handrail.methods.contrastive.agents import representation_learner
from handrail.methods.contrastive.artefacts import ENCODER
from handrail.methods.contrastive.own_problems import problem_of, refuse_different_sources
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import (
    ENCODER_IMAGES,
    OWN_ACTING,
    OWN_LEARNING,
    OWN_PRIOR_LEARNING,
    EncoderSettings,
    PriorSettings,
    QLearning,
    StudentSettings,
)
from handrail.methods.contrastive.student import begun_from, train_student
from handrail.methods.contrastive.table import METHODS
from handrail.networks.image_network import ImageNetwork

EPISODE_LENGTH = 1_000


@leaves_report
@closes_environments
def train_dqn(
    environment: Environment,
    folder: Path | str,
    *,
    intervention: Intervention | None = None,
    initial: Path | str | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    info_columns: Sequence[str] = (),
    action_mask: bool = False,
    episode_length: int = EPISODE_LENGTH,
    steps: int = 100_000,
    evaluation_episodes: int = 10,
    learning: QLearning | Mapping[str, Any] | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda step, total: None,
) -> dict[str, Any]:
    """Trains a double DQN under an intervention; returns a summary and tests the greedy policy.

    The policy is kept as `policy.safetensors`. A run that was interrupted goes on from its last
    checkpoint when called again; a finished one is not repeated.

    Args:
        environment: id of the environment, or a function that builds it, or several of it side
            by side (a Gymnasium vector environment), or a compiled environment.
        folder: of the run; it must be empty or hold this very run.
        intervention: WHEN × WHAT, such as `domain_prior(load_prior(...))`; none by default.
        initial: `policy.safetensors` of an earlier run, whose Q-function this one begins as, in the
            same environment or another one with the same observation and actions. Memory and
            exploration begin anew.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        info_columns: names of numbers in the info of an episode's last step, such as `is_success`:
            columns `info.is_success` of `episodes.csv`, and their means in tests and the summary.
        action_mask: whether `info` or the observation has an `action_mask` at every reset and step,
            a truth for each action: no other one is proposed, drawn or learnt from.
        episode_length: the time limit in steps, of training and of the test.
        steps: environment steps, those of all side by side.
        evaluation_episodes: whole episodes of the test.
        learning: the learner.
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder = folder_of(folder)
    settings = StudentSettings(
        seed=seed_number(seed),
        steps=whole("steps", steps, least=1),
        learning=settings_of("learning", learning, OWN_LEARNING),
    )
    episode_length = whole("episode_length", episode_length, least=1)
    episodes = whole("evaluation_episodes", evaluation_episodes, least=1)
    chosen = checked_intervention(intervention) or none()
    host, trial = built_twice(
        environment, cost=cost, limits=limits, parts=parts, episode_length=episode_length,
        info_columns=info_columns,
        side_info=SideInfo(info_names(chosen), truth("action_mask", action_mask)),
        warn_of_scales=not settings.learning.normalise_observations,
    )  # fmt: skip
    problem = problem_of(host, trial=trial, longest=episode_length)
    recorded = {
        "purpose": "own dqn", "environment": host.name,
        PASSED: passed_in(host, environment, cost=cost, intervention=intervention),
        **_recorded(problem, limits, episode_length, action_mask),
        "steps": settings.steps, "evaluation_episodes": episodes, "seed": settings.seed,
        "learning": stable(settings.learning),
        **({"info_columns": list(info_columns)} if info_columns else {}),
    }  # fmt: skip
    said = getattr(trial, "info_columns", None)
    method = dataclasses.replace(METHODS["dqn"], intervention=lambda settings, knowledge: chosen)
    if initial is not None:
        file = folder_of(initial, "initial")
        recorded |= {"initial": checksums({"initial": file})["initial"]}
        method = dataclasses.replace(method, agent=partial(begun_from, file))
    return train_student(
        problem, {}, method, settings, folder, recorded=recorded,
        provenance={"task": host.name, "settings": recorded}, test_episodes=episodes,
        also=lambda loop, state: said.means("test_") if said else {}, report=report,
    )  # fmt: skip


@leaves_report
@closes_environments
def train_prior(
    sources: Sequence[Environment],
    folder: Path | str,
    *,
    cost: CostFn | None = None,
    parts: Sequence[str] | None = None,
    action_mask: bool = False,
    episode_length: int = EPISODE_LENGTH,
    steps: int = 100_000,
    prior_steps: int = 100_000,
    learning: QLearning | Mapping[str, Any] | None = None,
    prior_learning: QLearning | Mapping[str, Any] | None = None,
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
        action_mask: as of `train_dqn`, in all sources.
        episode_length: the time limit in steps.
        steps: of each source.
        prior_steps: of the prior.
        learning: the learner of the sources.
        prior_learning: the learner of the prior.
        undesirable: undesirability above which an action earns a pseudo-reward.
        seed: of everything.
    """
    folder = folder_of(folder)
    settings = PriorSettings(
        source_steps=whole("steps", steps, least=1),
        prior_steps=whole("prior_steps", prior_steps, least=1),
        source_learning=settings_of("learning", learning, OWN_LEARNING),
        prior_learning=settings_of("prior_learning", prior_learning, OWN_PRIOR_LEARNING),
        undesirable=number("undesirable", undesirable, Range()),
        seed=seed_number(seed),
    )
    if isinstance(sources, str) or not isinstance(sources, Sequence):
        raise HandrailError(
            f"sources is {shown(sources)}: expected a list of at least 2 environments, each an id "
            "or a function that builds it"
        )
    if len(sources) < 2:
        raise HandrailError(
            f"{len(sources)} sources: a prior needs at least 2, since what only one task dislikes "
            "is not unsafe in general"
        )
    episode_length = whole("episode_length", episode_length, least=1)
    hosts = [
        build_host(
            source,
            cost=cost,
            parts=parts,
            episode_length=episode_length,
            side_info=SideInfo(action_mask=truth("action_mask", action_mask)),
            watched=True,
            warn_of_scales=not settings.source_learning.normalise_observations,
        )
        for source in sources
    ]
    problems = [problem_of(host) for host in hosts]
    refuse_different_sources(problems, hosts)
    recorded = {
        "sources": [host.name for host in hosts],
        PASSED: {
            "sources": list(map(environment_identity, hosts, sources)), "cost": fingerprint(cost),
        },
        **_recorded(problems[-1], None, episode_length, action_mask), **stable(settings),
    }  # fmt: skip
    return prior_training.train_prior(
        {str(place): problem.itself for place, problem in enumerate(problems)},
        problems[-1].itself, settings, folder, recorded=recorded,
        provenance={"task": hosts[-1].name, "settings": recorded},
    )  # fmt: skip


@takes_old_names(SETTINGS["EncoderSettings"])
@leaves_report
@closes_environments
def train_encoder(
    environment: Environment,
    folder: Path | str,
    *,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    action_mask: bool = False,
    episode_length: int = EPISODE_LENGTH,
    steps: int = 100_000,
    latent: int = 50,
    hidden: tuple[int, ...] = (256,),
    images: ImageNetwork | Mapping[str, Any] | None = None,
    contrastive_margin: float = 10.0,
    coefficient: float = 0.5,
    batch: int = 128,
    acting: QLearning | Mapping[str, Any] | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda step, total: None,
) -> Path:
    """Learns which states come just before a cost (arXiv:2503.10318, phase 1); returns its file.

    A DQN that explores a lot acts meanwhile, so mistakes have to be allowed here. Raises
    `HandrailError` where no step cost anything: then nothing is known of danger.

    Args:
        environment: id of the environment, or a function that builds it, or several of it side
            by side; best one that begins differently at every reset.
        folder: of the run; it must be empty or hold this very run.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        action_mask: as of `train_dqn`.
        episode_length: the time limit in steps.
        steps: environment steps, those of all side by side.
        latent: size of the embedding.
        hidden: hidden layers of the encoder, and of the decoder in reverse.
        images: the encoder of observations with images, mirrored by the decoder; by default the
            paper's.
        contrastive_margin: squared distance that safe and unsafe observations should keep.
        coefficient: weight of the contrastive term beside the reconstruction.
        batch: observations an update, half of them unsafe.
        acting: the learner that acts meanwhile.
        seed: of everything.
        report: called as `report(step, total)`.
    """
    folder = folder_of(folder)
    given = {
        "steps": steps, "latent": latent, "hidden": hidden,
        "contrastive_margin": contrastive_margin,
        "coefficient": coefficient, "batch": batch, "seed": seed_number(seed),
    }  # fmt: skip
    acting = settings_of("acting", acting, OWN_ACTING)
    network = settings_of("images", images, ENCODER_IMAGES)
    settings = override(EncoderSettings(acting=acting, images=network), given)
    episode_length = whole("episode_length", episode_length, least=1)
    host = build_host(
        environment, cost=cost, limits=limits, parts=parts, episode_length=episode_length,
        side_info=SideInfo(action_mask=truth("action_mask", action_mask)),
        watched=True, warn_of_scales=not settings.acting.normalise_observations,
    )  # fmt: skip
    problem = problem_of(host)
    recorded = {
        "purpose": "own encoder", "environment": host.name,
        PASSED: passed_in(host, environment, cost=cost),
        **_recorded(problem, limits, episode_length, action_mask), **stable(settings),
    }  # fmt: skip
    return encoder_training.train_encoder(
        representation_learner(problem, settings), problem, settings, folder, folder / ENCODER,
        recorded=recorded,
        provenance={"task": host.name, "settings": recorded}, report=report,
    )  # fmt: skip


def _recorded(
    problem: DiscreteProblem, limits: Any, episode_length: int, action_mask: bool
) -> dict[str, Any]:
    """What every run records besides its settings and what was passed in."""
    return {
        "episode_length": episode_length,
        "limits": None if limits is None else dict(limits),
        "parts": problem.inputs.spec["parts"],
        **({"action_mask": True} if action_mask else {}),
    }
