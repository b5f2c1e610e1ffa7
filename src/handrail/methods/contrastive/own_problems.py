"""Environments of the user's with discrete actions as problems of the method."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from handrail.core.errors import HandrailError
from handrail.core.informed import informed
from handrail.envs.gymnasium.building import Host, first_observation
from handrail.envs.jax_libraries.own import OwnEnvironment
from handrail.methods.contrastive.compiled import compiled_problem
from handrail.methods.contrastive.on_host import host_problem
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.image_cards import check_images, how_to_resize


def problem_of(host: Host, **options: Any) -> DiscreteProblem:
    """An environment of discrete actions as a problem of the method, on the host or compiled."""
    begins = partial(first_observation, host)
    if isinstance(host, OwnEnvironment):
        return compiled_problem(host.name, host, host.observation_zeros(), begins)
    return host_problem(host.name, host, host.observation_zeros(), begins, **options)


def refuse_different_sources(problems: Sequence[DiscreteProblem], hosts: Sequence[Host]) -> None:
    """Raises `HandrailError` where the sources of a prior differ in observation or actions."""
    first, example = problems[0], informed(hosts[0].observation_zeros()).observation
    for problem in problems:
        parts, others = (each.inputs.spec["parts"] for each in (problem, first))
        actions, other_actions = (each.environment.actions for each in (problem, first))
        if (parts, actions) != (others, other_actions):
            raise HandrailError(
                f"{problem.name} observes {parts} with {actions}, {first.name} {others} with "
                f"{other_actions}; sources need the same observation and actions"
                + how_to_resize(others, parts)
            )
        check_images(
            problem.inputs.images, first.inputs.images, example,
            source=problem.name, where=first.name,
        )  # fmt: skip
