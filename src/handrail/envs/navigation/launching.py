"""Episodes that begin in harm, already moving: where, and how fast, on MuJoCo."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handrail.envs.navigation.compiled import RescueStarts
from handrail.envs.navigation.layouts import Point

WHEEL, AXLE = 0.05, 0.13  # of the car: radius, half of what lies between the wheels (m)
CAR_SPEED, CAR_TURN_RATE = 0.8, 1.5  # what the car reaches by driving (m/s, rad/s)

Harm = Callable[[np.random.Generator], tuple[Point, float]]
"""A place that costs (m), and a direction (rad)."""


@dataclasses.dataclass(frozen=True)
class Launch:
    """How a robot begins."""

    place: Point
    """m"""
    speed: float
    """m/s"""
    course: float
    """The direction of motion in the world, rad. The car's wheels roll with it, so it had better
    move along its axis."""
    turn_rate: float
    """rad/s"""
    ball: np.ndarray | None = None
    """How the car's rear ball lies (a unit quaternion); as at the beginning of every episode
    unless given."""


def harm_in(hazards: list[Point], radius: float, extent: float) -> Harm:
    """A place uniform in one of the hazards, within the extents."""

    def drawn(draws: np.random.Generator) -> tuple[Point, float]:
        hazard = hazards[draws.integers(len(hazards))]
        away = radius * math.sqrt(draws.random())  # uniform over the disc
        bearing, course = draws.uniform(0, 2 * math.pi, 2)
        place = np.add(hazard, away * np.array([math.cos(bearing), math.sin(bearing)]))
        x, y = np.clip(place, -extent, extent).tolist()
        return (x, y), course

    return drawn


def drawn_launch(
    rescue: RescueStarts, draws: np.random.Generator, harm: Harm, *, robot: str, heading: float
) -> Launch:
    """A rescue start. The car moves along its axis, no faster than it can drive."""
    top_speed, top_rate = rescue.max_speed, rescue.max_turn_rate
    place, course = harm(draws)
    ball = None
    if robot == "car":  # it drives along its -y axis, forwards or backwards
        top_speed, top_rate = min(top_speed, CAR_SPEED), min(top_rate, CAR_TURN_RATE)
        course = heading + math.pi * (0.5 - draws.integers(2))
        turned = draws.normal(size=4)  # the ball has rolled on the way, anyhow
        ball = turned / np.linalg.norm(turned)
    speed = top_speed * draws.random()
    return Launch(place, speed, float(course), top_rate * draws.uniform(-1, 1), ball)


def set_moving(data: Any, robot: str, heading: float, launch: Launch) -> None:
    """Gives the robot of a model its velocity; `mj_forward` must follow."""
    velocity = data.qvel
    if launch.ball is not None:
        data.joint("rear").qpos[:] = launch.ball
    ahead = launch.course - heading
    y = launch.speed * math.sin(ahead)  # in the robot's frame
    if robot == "point":  # its slides lie along its first heading
        velocity[:3] = launch.speed * math.cos(ahead), y, launch.turn_rate
    else:
        course = launch.course
        velocity[:2] = launch.speed * math.cos(course), launch.speed * math.sin(course)
        velocity[5] = launch.turn_rate
        velocity[6:8] = [-(y + launch.turn_rate * side) / WHEEL for side in (-AXLE, AXLE)]
