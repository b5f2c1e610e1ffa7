"""Environments made of others: without reward, with parts that are zeros, or side by side."""

from collections.abc import Callable, Mapping
from typing import Any

from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.host_copies import HostCopies
from handrail.envs.host_wrappers import HostRewarded, HostZeroFilled
from handrail.envs.wrappers import Rewarded, ZeroFilled, no_reward

AnyEnvironment = AbstractEnvironment | AbstractHostEnvironment


def side_by_side(
    first: AnyEnvironment, another: Callable[[], AnyEnvironment], copies: int
) -> AnyEnvironment | HostCopies:
    """The first by itself or, of more than one on the host, as many, stepped together.

    A compiled one needs no others: a loop makes its copies.
    """
    if copies == 1 or isinstance(first, AbstractEnvironment):
        return first
    hosts: list[Any] = [first, *(another() for _ in range(1, copies))]
    return HostCopies(hosts)


def unrewarded(environment: AnyEnvironment) -> AnyEnvironment:
    """The environment with rewards of 0, compiled or on the host."""
    if isinstance(environment, AbstractHostEnvironment):
        return HostRewarded(environment, lambda observation, action, timestep: 0.0)
    return Rewarded(environment, no_reward)


def zero_filled(
    environment: AnyEnvironment, parts: Mapping[str, tuple[int, ...]]
) -> AnyEnvironment:
    """The environment observed with these parts, those that it lacks being zeros."""
    if isinstance(environment, AbstractHostEnvironment):
        return HostZeroFilled(environment, parts)
    return ZeroFilled(environment, parts)
