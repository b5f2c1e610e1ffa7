"""A policy of one's own as a guide: how it acts is given, what its actions cost is learnt."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.arguments import (
    Range,
    choice,
    folder_of,
    number,
    seed_number,
    settings_of,
    shown,
    whole,
)
from handrail.core.artifact import load, save
from handrail.core.errors import HandrailError
from handrail.core.identity import passed_in
from handrail.core.recorded import PASSED, stable
from handrail.core.rng import stream
from handrail.envs.gymnasium.building import (
    Environment,
    Host,
    build_host,
    closes_environments,
    episode_limit,
    episode_steps,
)
from handrail.envs.gymnasium.costs import CostFn
from handrail.envs.gymnasium.host import GymnasiumHost
from handrail.interventions.base import Intervention
from handrail.interventions.on_host import controller_of
from handrail.interventions.substitutes import UNITS
from handrail.knowledge.catalog import located_guide
from handrail.learners.fitted_q import FittedQSettings, PolicySteps, bellman_error, fit
from handrail.learners.sac.networks import REWARD_CRITICS, CriticEnsemble
from handrail.methods.sagui.cards import Limits, Networks
from handrail.methods.sagui.guide_file import GUIDE, open_guide
from handrail.methods.sagui.known import Known
from handrail.methods.sagui.outside_guide import PolicyGuide, outside_card
from handrail.methods.sagui.policy_steps import ActsByHand, Trial, collected, tried
from handrail.methods.sagui.presets import TAKEOVER_SHARES
from handrail.methods.sagui.problem import counted_limit, interface_of
from handrail.methods.sagui.shield import STEPS, proposed, takeover_table
from handrail.methods.sagui.table import METHODS, RECIPES
from handrail.methods.sagui.train_guide import takeover_cost
from handrail.methods.sagui.unread import refuse_unread
from handrail.train.run_folder import claim, refuse_foreign

LOG = logging.getLogger(__name__)
UNTESTED = "untested.safetensors"
"""What is fitted, until its shield test has said when to take over: then it is the guide."""
HELD_OUT = 0.2
"""Share of the episodes that the critic is not fitted to."""
PROBES = 32
"""Observations at which a policy is asked again, to tell it from another."""
SAME = 1e-4
"""Difference of two actions of one policy, at most."""


@closes_environments
def guide_from_policy(
    policy: Callable[..., Any],
    source: Environment,
    folder: Path | str,
    *,
    limit: float | None = None,
    cost: CostFn | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    units: str = "environment",
    episode_length: int | None = None,
    steps: int = 20_000,
    random_action_share: float = 0.5,
    evaluation_episodes: int = 20,
    shield_episodes: int = 20,
    fitting: FittedQSettings | Mapping[str, Any] | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda step, total: None,
) -> PolicyGuide:
    """A policy of yours as a guide, with a cost critic that is fitted to it.

    The policy drives in the source, with intervals of random actions; fitted Q evaluation
    (arXiv:1903.08738) learns what an action costs if the policy goes on from it. So budget-switch
    knows when to call it. What is returned is taken wherever the file of a guide is:
    `SafeExploration.with_guide`, `train_student`, `try_guide`, `check_transfer`,
    `guide_intervention`. `handrail inspect FOLDER/guide.safetensors` shows how well the critic
    predicts: its error on episodes that it was not fitted to (`bellman_error`), and predicted
    beside incurred costs where the policy acts, alone and after a random explorer.

    A finished fit is not repeated; one that was interrupted begins anew.

    Args:
        policy: `policy(observation)` or `policy(observation, key)`, ordinary Python, NumPy or
            PyTorch, such as `model.predict` of stable-baselines3; a pair's first entry is the
            action. It sees observations as handrail does: float32, one-hot where they are numbers.
        source: id of the environment, or a function that builds one: where mistakes are allowed.
        folder: of the fit; it must be empty or hold this very fit.
        limit: expected undiscounted cost of an episode that the policy is meant to keep.
        cost: as of `GymnasiumHost`; also `limits` (of several named costs) and `parts`.
        units: of the policy's actions: "environment", or "agent" for [−1, 1].
        episode_length: the time limit in steps, if the environment does not say.
        steps: environment steps to learn from.
        random_action_share: share of them with random actions, each repeated for 30 steps.
        evaluation_episodes: of the policy alone, and as many after an explorer.
        shield_episodes: of the shield test, which says at which predicted cost to take over.
        fitting: of the critic.
        seed: of everything but the policy's own randomness.
        report: called as `report(step, total)`.

    Raises `HandrailError` for a policy that gives no action of the environment's, one that differs
    from the folder's, and a source in which nothing ever costs.
    """
    folder = folder_of(folder)
    policy = controller_of(policy) or policy
    if not callable(policy):
        raise HandrailError(
            f"policy is {shown(policy)}: expected a function of the observation that gives an "
            "action, such as model.predict"
        )
    units = choice("units", units, UNITS)
    fitting = settings_of("fitting", fitting, FittedQSettings())
    steps = whole("steps", steps, least=2)
    share = number("random_action_share", random_action_share, Range(0, 1))
    episodes = whole("evaluation_episodes", evaluation_episodes, least=1)
    shields, seed = whole("shield_episodes", shield_episodes, least=1), seed_number(seed)
    host = build_host(source, cost=cost, limits=limits, parts=parts, episode_length=episode_length)
    if not isinstance(host, GymnasiumHost):
        raise HandrailError(
            f"{host.name} is several environments side by side; give a function that builds one"
        )
    longest, allowed = episode_steps(host, episode_length), episode_limit(host, limit)
    guide = PolicyGuide(folder / GUIDE, policy, _converter(host, units), host.actions)
    recorded = {
        "purpose": "guide of a policy", "environment": host.name, "units": units, "steps": steps,
        "random_action_share": share, "evaluation_episodes": episodes, "shield_episodes": shields,
        "limit": allowed, "episode_length": longest, "seed": seed, "fitting": stable(fitting),
        PASSED: passed_in(host, source, cost=cost, parts=parts, limits=limits),
    }  # fmt: skip
    refuse_foreign(folder)
    claim(folder, recorded)
    acts = ActsByHand(guide, host.observation_zeros(), seed)
    if guide.file.exists():
        _refuse_another(guide, acts)
        return guide
    key = jax.random.key(seed)
    found = collected(
        host,
        acts,
        steps=steps,
        random_action_share=share,
        discount=fitting.discount,
        key=stream(key, "steps"),
        report=report,
    )
    data, harm = found.steps, takeover_cost(found.costs)
    if not harm:
        raise HandrailError(
            f"{host.name}: no step of {steps:,} cost anything, so nothing can be learnt about what "
            "is dangerous: look at the cost function, let the source begin in danger, or raise "
            "steps or random_action_share"
        )
    held_out = _held_out(found.episodes)
    critics = fit(data[~held_out], fitting, key=stream(key, "fit"))

    def predict(observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        given = jnp.asarray(observations), jnp.asarray(actions)
        return np.asarray(critics.batch(*given))[REWARD_CRITICS:]

    trial = tried(
        host, acts, predict, episodes=episodes, longest=longest, discount=fitting.discount,
        key=stream(key, "trial"),
    )  # fmt: skip
    evaluation = {
        "return": trial.returns.mean(), "cost": trial.costs.mean(), "length": trial.lengths.mean(),
        "unsafe_episodes": (trial.costs > 0).mean(),
        "bellman_error": bellman_error(critics, data[held_out]),
        "bellman_error_fitted": bellman_error(critics, data[~held_out]),
        "predicted_cost": trial.predicted.mean() if trial.predicted.size else float("nan"),
        "incurred_cost": trial.incurred.mean() if trial.incurred.size else float("nan"),
    }  # fmt: skip
    evaluation = {name: float(value) for name, value in evaluation.items()}
    training = {
        "task": host.name, "evaluation": evaluation, "probes": _probes(data, acts),
        "settings": {name: value for name, value in recorded.items() if name != PASSED},
    }  # fmt: skip
    untested = dataclasses.replace(guide, file=folder / UNTESTED)
    _write(untested, critics, host, allowed, longest, fitting, harm, training)
    rows = _takeovers(untested, host, longest, shields, harm, allowed, key)
    chosen = proposed(rows, allowed)
    training |= {"evaluation": evaluation | dict(chosen), "takeovers": rows}
    _write(guide, critics, host, allowed, longest, fitting, chosen["takeover_cost"], training)
    untested.file.unlink(missing_ok=True)
    _tell(guide.file, trial, evaluation, chosen, allowed)
    return guide


def guide_intervention(
    guide: Path | str | PolicyGuide,
    environment: Environment,
    *,
    recipe: str = "budget-switch",
    limit: float | None = None,
    threshold: float | None = None,
    takeover_cost: float | None = None,
    view: Callable[[Any], Any] | None = None,
    limits: Mapping[str, float] | None = None,
    parts: Sequence[str] | None = None,
    episode_length: int | None = None,
) -> Intervention:
    """The intervention of a guide in an environment: for `train_dqn`, or a loop of your own.

    Args:
        guide: its file, the name of one that ships, or what `guide_from_policy` returns.
        environment: where it is to act: an id, or a function that builds one; its spaces are read.
        recipe: as of `SafeExploration.with_guide`, as the options that follow.
        limits: of several named costs.
        parts: of a `Dict` observation, those that the guide may see.
        episode_length: the time limit in steps, if the environment does not say.
    """
    choice("recipe", recipe, RECIPES)
    host = _read(environment, limits, parts, episode_length)
    interface = interface_of(host, episode_length or host.time_limit)
    file = open_guide(located_guide(guide), interface, view=view)
    allowed = file.allowed(counted_limit(interface, limit))
    refuse_unread(METHODS[recipe], {"threshold": threshold, "takeover_cost": takeover_cost})
    file.check_threshold(allowed, threshold)
    takeover = file.takeover(allowed, threshold, takeover_cost)
    return METHODS[recipe].intervention(takeover, Known(file.guide))


@closes_environments
def _read(environment: Environment, limits: Any, parts: Any, episode_length: int | None) -> Host:
    return build_host(environment, limits=limits, parts=parts, episode_length=episode_length)


def _converter(host: GymnasiumHost, units: str) -> Callable[[Any], Any]:
    if units == "environment":
        return host.agent_form
    return lambda action: np.asarray(action)


def _held_out(numbers: np.ndarray) -> np.ndarray:
    """Which steps are of the last fifth of the episodes; of one episode its last fifth."""
    episodes = int(numbers[-1]) + 1
    if episodes > 1:
        return numbers >= episodes - max(1, round(HELD_OUT * episodes))
    return np.arange(len(numbers)) >= round((1 - HELD_OUT) * len(numbers))


def _probes(data: PolicySteps, acts: ActsByHand) -> dict[str, Any]:
    """Observations in which the policy was asked, its actions, and whether it repeats them."""
    rows = np.linspace(0, len(data) - 1, min(PROBES, len(data))).astype(int)
    observations = [acts.unpacked(data.next_observations[row]) for row in rows]
    first, again = ([acts(one).tolist() for one in observations] for _ in range(2))
    return {
        "observations": data.next_observations[rows].tolist(), "actions": first,
        "repeats": bool(np.abs(np.array(first) - np.array(again)).max() <= SAME),
    }  # fmt: skip


def _refuse_another(guide: PolicyGuide, acts: ActsByHand) -> None:
    """Refuses a policy that acts otherwise than the one that the folder's critic was fitted to."""
    probes = load(guide.file, expect="guide")[0].training.get("probes", {})
    if not probes.get("repeats"):
        LOG.warning("%s: the policy is random, and not compared with the fitted one", guide.file)
        return
    rows = np.array(probes["observations"], np.float32)
    now = np.array([acts(acts.unpacked(row)).tolist() for row in rows])
    if np.abs(now - np.array(probes["actions"])).max() > SAME:
        raise HandrailError(
            f"{guide.file} is the cost critic of another policy, which acts otherwise; choose "
            "another output folder"
        )


def _write(
    guide: PolicyGuide, critics: CriticEnsemble, host: GymnasiumHost, limit: float, longest: int,
    fitting: FittedQSettings, takeover: float, training: dict[str, Any],
) -> None:  # fmt: skip
    card = outside_card(
        interface_of(host, longest), Networks(fitting.hidden, critics.cost_critic),
        Limits(limit, longest, host.limits), discount=fitting.discount, takeover_cost=takeover,
        training=training,
    )  # fmt: skip
    save(guide.file, card, critics)


def _takeovers(
    guide: PolicyGuide, host: GymnasiumHost, longest: int, episodes: int, cost: float, limit: float,
    key: Any,
) -> list[dict[str, float]]:  # fmt: skip
    """The shield test at two steps' cost and, where that costs too much, earlier."""
    opened = open_guide(guide, interface_of(host, longest)).guide

    def table(costs: Sequence[float]) -> list[dict[str, float]]:
        return takeover_table(
            host, opened, costs, limit=limit, limits=host.limits, per_steps=longest,
            episodes=episodes, longest=min(STEPS, longest), key=stream(key, "guarded"),
        )  # fmt: skip

    rows = table([cost])
    if rows[0]["shielded_cost"] > limit:
        rows += table([share * cost for share in TAKEOVER_SHARES])
    return rows


def _tell(
    file: Path, trial: Trial, evaluation: Mapping[str, float], shield: Mapping[str, float],
    limit: float,
) -> None:  # fmt: skip
    """Logs what speaks against the guide."""
    if trial.costs.mean() > limit:
        LOG.warning(
            "%s: the policy alone costs %.3g an episode, above its limit of %g: it is no guide for "
            "that limit", file, trial.costs.mean(), limit,
        )  # fmt: skip
    if shield["shielded_cost"] > limit:
        LOG.warning(
            "%s: in its shield test this guide costs %.3g an episode, above its limit of %g: raise "
            "steps, or take a safer policy", file, shield["shielded_cost"], limit,
        )  # fmt: skip
    gap = abs(evaluation["incurred_cost"] - evaluation["predicted_cost"])
    if gap > max(0.5 * evaluation["incurred_cost"], 0.5 * shield["takeover_cost"]):
        LOG.warning(
            "%s: where the policy acts, its critic predicts %.3g and %.3g follows (discounted): "
            "raise steps or fitting['updates']", file, evaluation["predicted_cost"],
            evaluation["incurred_cost"],
        )  # fmt: skip
