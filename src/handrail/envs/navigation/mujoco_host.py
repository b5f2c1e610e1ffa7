"""The navigation tasks on MuJoCo as an environment on the host: the car, and vases."""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from handrail.core.rng import stream
from handrail.envs.episodes import checked_length
from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.launching import Harm, harm_in
from handrail.envs.navigation.layouts import Layout
from handrail.envs.navigation.models import Robot
from handrail.envs.navigation.mujoco_engine import MujocoNavigation, Snapshot
from handrail.envs.navigation.on_engine import AbstractEngineHost, float32
from handrail.envs.navigation.physics import PhysicsRange
from handrail.envs.navigation.tasks import NavigationTask

PHYSICS = "physics"  # where a snapshot keeps the factors of its episode
_ARRAYS = ("qpos", "qvel", "warmstart", "ctrl", "asleep")


class MujocoHost(AbstractEngineHost):
    """One robot in one navigation task: observations as `CompiledNavigation` gives them.

    Rescue starts are at the hazards alone (vases are hit, not stayed in). The car moves along its
    axis with rolling wheels, no faster than it can drive.

    With `physics`, mass, damping and the actuators' gain are drawn anew at each reset.
    """

    def __init__(
        self,
        task: NavigationTask,
        *,
        episode_length: int | None = None,
        rescue: RescueStarts | None = None,
        physics: PhysicsRange | None = None,
    ):
        length = checked_length(
            task.episode_length, episode_length, starts=rescue, in_source=not task.has_goal
        )
        task = dataclasses.replace(task, episode_length=length)
        super().__init__(MujocoNavigation(task, resting=True), rescue)
        self.physics = physics
        self._nominal = Robot.of(self.engine.model)

    def reset(self, *, key: Key[Array, ""]) -> dict[str, np.ndarray]:
        if self.physics is not None:
            self._change(np.asarray(self.physics.draw(stream(key, "physics"))))
        return super().reset(key=key)

    def _harm(self) -> Harm:
        return harm_in(self.engine.layout.hazards, self.task.hazards.size, self.task.extent)

    def _change(self, factors: np.ndarray) -> None:
        self._factors = factors
        self._nominal.scale(self.engine.model, *factors.tolist())

    def snapshot(self) -> dict[str, np.ndarray]:
        own = {} if self.physics is None else {PHYSICS: self._factors}
        return _arrays(self.engine.snapshot()) | own

    def restore(self, snapshot: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.physics is not None:
            self._change(snapshot[PHYSICS])
        return float32(self.engine.restore(_snapshot(snapshot)))


def _arrays(snapshot: Snapshot) -> dict[str, np.ndarray]:
    """A snapshot as arrays, whose shapes depend on the task alone; no goal is NaN."""
    layout = snapshot.layout
    _, words, position, has_gauss, gauss = snapshot.draws
    places = {
        "robot": layout.robot,
        "heading": layout.robot_heading,
        "hazards": np.reshape(layout.hazards, (-1, 2)),
        "vases": np.reshape(layout.vases, (-1, 2)),
        "vase_headings": layout.vase_headings,
        "first_goal": _or_nan(layout.goal),
        "discarded_goal": _or_nan(layout.discarded_goal),
        "goal": _or_nan(snapshot.goal),
    }
    counts = {"seed": snapshot.seed, "steps": snapshot.steps, "drawn": position}
    return {
        **{name: np.array(value, np.float64) for name, value in places.items()},
        **{name: np.array(value, np.int64) for name, value in counts.items()},
        **{name: np.array(getattr(snapshot, name)) for name in _ARRAYS},
        "draws": np.array(words, np.uint32),
        "gauss": np.array([has_gauss, gauss], np.float64),
    }


def _snapshot(arrays: dict[str, np.ndarray]) -> Snapshot:
    has_gauss, gauss = arrays["gauss"].tolist()
    draws = ("MT19937", arrays["draws"], int(arrays["drawn"]), int(has_gauss), gauss)
    layout = Layout(
        robot=_point(arrays["robot"]),
        robot_heading=float(arrays["heading"]),
        hazards=[_point(place) for place in arrays["hazards"]],
        vases=[_point(place) for place in arrays["vases"]],
        vase_headings=arrays["vase_headings"].tolist(),
        goal=_goal(arrays["first_goal"]),
        discarded_goal=_goal(arrays["discarded_goal"]),
        draws=np.random.RandomState(),
    )
    values = {name: arrays[name] for name in _ARRAYS}
    counts = {"seed": int(arrays["seed"]), "steps": int(arrays["steps"])}
    return Snapshot(layout, draws, _goal(arrays["goal"]), **counts, **values)


def _or_nan(goal: Any) -> Any:
    return (math.nan, math.nan) if goal is None else goal


def _point(place: np.ndarray) -> tuple[float, float]:
    x, y = place.tolist()
    return x, y


def _goal(place: np.ndarray) -> tuple[float, float] | None:
    return None if np.isnan(place).any() else _point(place)
