"""Safe exploration in reinforcement learning by transferring safety knowledge.

An intervention is WHEN to step in × WHAT acts instead. The public names below are imported
when they are first used, so that `import handrail` stays light.
"""

from importlib import import_module
from typing import Any

from handrail.core import forks as _forks  # noqa: F401  it watches for forks from now on

_HOMES = {
    "handrail.core.errors": ("HandrailError", "UnknownName"),
    "handrail.core.types": ("Context", "Decision", "Timestep", "Transition"),
    "handrail.core.rng": ("stream",),
    "handrail.core.artifact": ("Card", "load", "save"),
    "handrail.interventions.base": (
        "AbstractSubstitute",
        "AbstractTrigger",
        "All",
        "Either",
        "Intervention",
        "Substitution",
        "Verdict",
    ),
    "handrail.interventions.triggers": (
        "AfterFirstCost",
        "Always",
        "BelowMean",
        "BudgetSpent",
        "Coin",
        "CostCriticExceeds",
        "LinearDecay",
        "Never",
        "Predicate",
    ),
    "handrail.interventions.adaptive_share": ("AdaptiveShare",),
    "handrail.interventions.with_info": ("WithInfo",),
    "handrail.interventions.takeover": ("AdvantageExceeds", "CostSumReaches", "Held"),
    "handrail.interventions.sampled_mean": ("BelowSampledMean",),
    "handrail.interventions.on_host": ("on_host",),
    "handrail.interventions.near_unsafe": ("AdaptiveRadius", "FixedRadius", "NearUnsafe"),
    "handrail.interventions.repeated_harm": ("RepeatsHarm",),
    "handrail.interventions.substitutes": ("Policy", "Proposed", "RandomAboveMean", "RandomAction"),
    "handrail.interventions.recipes": (
        "adaptive_share",
        "budget_switch",
        "contrastive",
        "control_switch",
        "domain_prior",
        "linear_decay",
        "shield",
        "state_check_only",
    ),
    "handrail.envs.gymnasium.host": ("GymnasiumHost",),
    "handrail.envs.conformance": ("check_environment",),
    "handrail.envs.jax_libraries.brax": ("from_brax",),
    "handrail.envs.jax_libraries.gymnax": ("from_gymnax",),
    "handrail.envs.transfer": ("SameView", "View"),
    "handrail.methods.contrastive.settings": ("QLearning",),
    "handrail.networks.image_network": ("ImageNetwork",),
    "handrail.methods.sagui.on_policy_settings": ("OnPolicySettings",),
    "handrail.methods.sagui.settings": ("SacSettings",),
    "handrail.learners.fitted_q": ("FittedQSettings",),
    "handrail.methods.sagui.outside_guide": ("PolicyGuide",),
    "handrail.api.discrete_files": ("load_encoder", "load_prior"),
    "handrail.api.discrete": ("train_dqn", "train_encoder", "train_prior"),
    "handrail.api.guides": ("train_guide", "try_guide"),
    "handrail.api.policies": ("load_policy",),
    "handrail.api.policy_guides": ("guide_from_policy", "guide_intervention"),
    "handrail.api.source_encoders": ("train_source_encoder",),
    "handrail.api.students": ("train_student",),
    "handrail.api.transfer": ("check_transfer",),
    "handrail.safe_exploration": ("SafeExploration",),
    "handrail.envs.base": ("AbstractEnvironment", "BoxActions", "DiscreteActions"),
    "handrail.envs.registry": ("make",),
    "handrail.learners.base": ("AbstractAgent",),
    "handrail.learners.q.agent": ("Exploration", "QAgent"),
    "handrail.learners.sac.agent": ("SacAgent",),
    "handrail.learners.sac.lagrangian": ("SacLagrangian",),
    "handrail.methods.sagui.guide": ("GuideNetworks",),
    "handrail.api.knowledge": ("load_guide",),
    "handrail.methods.sagui.guide_file": ("save_guide",),
    "handrail.hub": ("pull", "push"),
    "handrail.train.compiled": ("Loop",),
    "handrail.train.evaluate": ("evaluate",),
    "handrail.train.run": ("execute",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # pyrefly: ignore


_OLD_NAMES = {"AdaptiveReach": "AdaptiveRadius", "FixedReach": "FixedRadius"}


def __getattr__(name: str) -> Any:
    if name in _OLD_NAMES:
        from handrail.core.renamed import warn_once

        warn_once(f"handrail.{name} is now called handrail.{_OLD_NAMES[name]}")
        name = _OLD_NAMES[name]
    if name not in _HOME_OF:
        raise AttributeError(f"module 'handrail' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
