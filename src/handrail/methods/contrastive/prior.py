"""The prior: which actions are bad, learnt from several source tasks (arXiv:1909.04307)."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from handrail.core.errors import HandrailError
from handrail.envs.host import AnyEnvironment
from handrail.interventions.recipes import none
from handrail.methods.contrastive.agents import q_learner
from handrail.methods.contrastive.artefacts import PRIOR, load_q, save_q
from handrail.methods.contrastive.built import QNetwork
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import PriorSettings, QLearning
from handrail.networks.ensemble import Ensemble
from handrail.train.compiled import RunState
from handrail.train.course import Course, coursed
from handrail.train.loops import make_loop
from handrail.train.run import execute, unlearnt

NETWORK = "network.safetensors"


@coursed
def train_prior(
    sources: Mapping[str, Callable[[], DiscreteProblem]],
    target: Callable[[], DiscreteProblem],
    settings: PriorSettings,
    folder: Path,
    *,
    recorded: Mapping[str, Any],
    provenance: Mapping[str, Any],
    report: Callable[[str, int, int], None] = lambda name, step, total: None,
) -> Course[Path]:
    """Learns a Q-function of each source, then one of their pseudo-reward; returns its file.

    For an ensemble once for each member, in the folders `member-0`, `member-1`, … What has been
    finished before is not repeated.

    Args:
        sources: by name, what makes each source task.
        target: makes the task in which the pseudo-reward is learnt.
        settings: of the prior.
        folder: of all its runs (`source-NAME` and `prior`) and of the file.
        recorded: what determines the runs, for their `run.json`.
        provenance: how the prior came about, for its card.
        report: called as `report(run, step, total)`.
    """

    def member(folder: Path, seed: int, prefix: str = "") -> Course[tuple[DiscreteProblem, Any]]:
        """A prior's own task, and its Q-function there."""

        def learn(
            name: str, problem: DiscreteProblem, environment: AnyEnvironment, number: int
        ) -> Course[Any]:
            of_source = name != "prior"
            return learn_q(
                problem, environment,
                settings.source_learning if of_source else settings.prior_learning,
                settings.source_steps if of_source else settings.prior_steps,
                folder / name, {"purpose": name, **recorded}, provenance,
                seed=100 * seed + number,
                report=lambda run, step, total: report(prefix + run, step, total),
            )  # fmt: skip

        networks = []
        for number, (name, make) in enumerate(sources.items()):
            problem = make()
            network = yield from learn(f"source-{name}", problem, problem.environment, number)
            networks.append(network)
        problem = target()
        environment = problem.pseudo_rewarded(networks, settings)
        return problem, (yield from learn("prior", problem, environment, 99))

    path = folder / PRIOR
    if settings.members == 1:
        problem, network = yield from member(folder, settings.seed)
    else:
        members = []
        for number in range(settings.members):
            name = f"member-{number}"
            problem, network = yield from member(folder / name, settings.seed + number, f"{name}, ")
            members.append(network)
        network = Ensemble.of(members)
    if not path.exists():
        built = QNetwork.of(settings.prior_learning)
        built = dataclasses.replace(built, members=settings.members)
        save_q(path, "prior", problem, built, network, provenance)
    return path


def learn_q(
    problem: DiscreteProblem,
    environment: AnyEnvironment,
    learning: QLearning,
    steps: int,
    folder: Path,
    recorded: Mapping[str, Any],
    provenance: Mapping[str, Any],
    *,
    seed: int,
    report: Callable[[str, int, int], None],
) -> Course[Any]:
    """A Q-network trained without intervention in an environment that is observed as the problem's,
    in its own resumable run folder.
    """
    path = folder / NETWORK

    def keep(state: RunState) -> dict[str, Any]:
        save_q(path, "policy", problem, QNetwork.of(learning), state.agent.network, provenance)
        return {}

    loop = make_loop(environment, q_learner(problem, learning), none(), steps)
    if wrong := unlearnt(loop):
        raise HandrailError(f"{folder.name} of {problem.name}: {wrong}")
    yield from execute.course(
        loop,
        folder,
        dict(recorded),
        seed=seed,
        summarise=keep,
        report=lambda step, _: report(folder.name, step, steps),
    )
    return load_q(path, "policy", problem.inputs, problem.actions)
