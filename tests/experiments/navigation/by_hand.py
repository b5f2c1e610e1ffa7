"""A guide that is written by hand, for what is measured of guides."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx

from handrail.envs.transfer import AbstractView, SameView
from handrail.interventions.substitutes import Policy


class ByHand(eqx.Module):
    """`act(seen, key)` is its action, `predict(seen, action)` what it expects that to cost."""

    act: Callable[..., Any]
    predict: Callable[..., Any]
    view: AbstractView = SameView()

    @property
    def policy(self) -> Policy:
        return Policy(_Acts(self.act, self.view))

    def cost(self, observation, action):
        return self.predict(self.view(observation), action)

    def seeing(self, view: AbstractView) -> "ByHand":
        """It through a view of the target."""
        return dataclasses.replace(self, view=view)

    def of(self, problem) -> dict[str, "ByHand"]:
        """It as it is asked in source and target."""
        return {"source": self, "target": self.seeing(problem.view)}


class _Acts(eqx.Module):
    act: Callable[..., Any]
    view: AbstractView

    def __call__(self, observation, key):
        return self.act(self.view(observation), key), {}
