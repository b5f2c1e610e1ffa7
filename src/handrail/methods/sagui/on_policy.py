"""The on-policy agents among SaGui's baselines, from their settings."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from handrail.core.errors import HandrailError
from handrail.learners.onpolicy.agent import OnPolicyAgent
from handrail.learners.onpolicy.multiplier import Multiplier
from handrail.learners.onpolicy.trust_region import TrustRegion
from handrail.learners.onpolicy.updates import (
    AbstractPolicyUpdate,
    Cpo,
    PpoLagrangian,
    TrpoLagrangian,
)
from handrail.methods.sagui.inputs import inputs_of
from handrail.methods.sagui.on_policy_settings import OnPolicySettings
from handrail.methods.sagui.problem import Target
from handrail.methods.sagui.settings import SacSettings, StudentRun

RUN = (
    "environment", "method", "seed", "steps", "epoch", "test_episodes", "limit", "limit_fraction",
    "copies",
)  # fmt: skip
LEARNING = ("hidden", "batch", "learning_rate", "discount", "inputs")
COMMON = ("batch", "trace", "log_std", "value_passes")


@dataclasses.dataclass(frozen=True)
class OnPolicyLearner:
    """What learns in an on-policy method: (target, settings of the run) → agent."""

    update: Callable[[StudentRun], AbstractPolicyUpdate]
    """Of the policy."""
    own: tuple[str, ...]
    """The settings of `on_policy` that count for it, beside those that all of them have."""

    def __call__(self, where: Target, run: StudentRun) -> OnPolicyAgent:
        """Raises `HandrailError` where settings or target do not fit."""
        self.check(run)
        if where.shield is not None:
            raise HandrailError(
                f"an intervention is given, but method {run.method!r} is on-policy and learns from "
                "nothing but its own actions: leave intervention out, or take 'sac-lagrangian'"
            )
        if where.interface.images:
            raise HandrailError(
                f"the observation has images ({', '.join(where.interface.images) or 'it is one'}), "
                f"which method {run.method!r} cannot read: give features of them, or take "
                "'sac-lagrangian'"
            )
        if where.initial is not None:
            raise HandrailError(
                f"initial is given, but method {run.method!r} is on-policy, which begins afresh: "
                "leave initial out, or take 'sac-lagrangian'"
            )
        if where.interface.limits:
            raise HandrailError(
                f"the environment has several costs ({', '.join(where.interface.limits)}), but "
                f"method {run.method!r} has one limit: sum them up to one cost, or take "
                "'sac-lagrangian'"
            )
        learning, own = run.learning, run.on_policy
        return OnPolicyAgent(
            update=self.update(run),
            limit=run.limit_fraction * run.limit,
            limit_steps=where.interface.limit_steps,
            environments=where.copies,
            hidden=learning.hidden,
            inputs=inputs_of(learning.inputs, where.scaled_parts),
            train_every=own.batch,
            discount=learning.discount,
            trace=own.trace,
            log_std=own.log_std,
            value_passes=own.value_passes,
            minibatch=learning.batch,
            rate=learning.learning_rate,
        )

    def check(self, run: StudentRun) -> None:
        """Refuses settings that are not this method's, before anything is computed."""
        foreign = [
            *_changed(run, StudentRun(), (*RUN, "learning", "on_policy")),
            *_changed(run.learning, SacSettings(), LEARNING, "learning."),
            *_changed(run.on_policy, OnPolicySettings(), (*COMMON, *self.own), "on_policy."),
        ]
        for name, value, default in foreign:
            why = (
                "does not have it"
                if name.startswith("on_policy.")
                else "learns from its own last steps alone, without a replay or a guide"
            )
            raise HandrailError(
                f"{name} is {value!r}, but method {run.method!r} is on-policy and {why}: leave it "
                f"at {default!r}, or take another method, such as 'sac-lagrangian'"
            )


def _changed(
    given: Any, default: Any, allowed: tuple[str, ...], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Name, value and default of settings that are changed and not among the allowed ones.

    What a family of tasks has of its own, beyond the default's fields, it checks itself.
    """
    for field in dataclasses.fields(default):
        value, usual = getattr(given, field.name), getattr(default, field.name)
        if field.name in allowed or value == usual:
            continue
        if dataclasses.is_dataclass(value):
            yield from _changed(value, usual, (), f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value, usual


def _region(run: StudentRun) -> TrustRegion:
    return TrustRegion(**dataclasses.asdict(run.on_policy.trust_region))


def _multiplier(run: StudentRun) -> Multiplier:
    return Multiplier(run.on_policy.multiplier, run.on_policy.multiplier_rate)


def _ppo(run: StudentRun) -> PpoLagrangian:
    own = run.on_policy.ppo
    return PpoLagrangian(
        multiplier=_multiplier(run),
        passes=own.passes,
        minibatch=run.learning.batch,
        rate=own.learning_rate,
        clip=own.clip,
        furthest=own.furthest,
        entropy_weight=own.entropy_weight,
    )


PRICE = ("multiplier", "multiplier_rate")
CPO = OnPolicyLearner(lambda run: Cpo(region=_region(run)), ("trust_region",))
PPO_LAGRANGIAN = OnPolicyLearner(_ppo, (*PRICE, "ppo"))
TRPO_LAGRANGIAN = OnPolicyLearner(
    lambda run: TrpoLagrangian(region=_region(run), multiplier=_multiplier(run)),
    (*PRICE, "trust_region"),
)
