"""The navigation tasks without vases as pure JAX: environment and learner in one compiled loop."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.core.types import Action, Timestep
from handrail.envs.base import AbstractEnvironment, ActionSpace, BoxActions
from handrail.envs.episodes import checked_length
from handrail.envs.navigation import planar
from handrail.envs.navigation.physics import PhysicsRange
from handrail.envs.navigation.planar import NOMINAL, Body, Physics
from handrail.envs.navigation.sampling import in_hazard, sample_goal, sample_places
from handrail.envs.navigation.tasks import (
    GOAL_BONUS,
    GOAL_RADIUS,
    LIDAR_BINS,
    LIDAR_RANGE,
    NavigationTask,
)


@dataclasses.dataclass(frozen=True)
class RescueStarts:
    """A share of the source's episodes begins inside a hazard, already moving.

    Beyond the paper: a guide that is called once its student is in a hazard must have learnt
    how to leave from there. The place is uniform in a hazard chosen at random, the direction of
    motion and the heading are uniform, and so are speed and turn rate up to the maxima.
    """

    share: float
    max_speed: float = 1.5  # m/s: the point robot's top speed
    max_turn_rate: float = 3.0  # rad/s

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise HandrailError(f"share {self.share} of rescue starts: expected 0 to 1")
        if self.max_speed < 0 or self.max_turn_rate < 0:
            raise HandrailError("rescue starts: max_speed and max_turn_rate must be 0 or more")


class NavigationState(eqx.Module):
    """A robot among hazards; `goal` is (0, 0) and unused in the source."""

    body: Body
    hazards: Float[Array, "hazards 2"]
    goal: Float[Array, "2"]
    steps: Int[Array, ""]  # in the episode
    physics: Physics | None = None  # of this episode; None: `planar.NOMINAL`


class CompiledNavigation(AbstractEnvironment):
    """The point robot in a navigation task without vases.

    Observations are dictionaries of float parts (`task.parts`) in the order and units of the
    MuJoCo engine. Cost is 1 in a hazard, else 0, per step and undiscounted. The target rewards
    progress to the goal, plus 1 on reaching it; the source rewards the distance moved (the
    paper's auxiliary reward, arXiv:2307.14316), and ends with reward 0 where the robot had left
    the extents (unless it is a source that goes on: `tasks.Outside`). A goal that cannot be placed
    again ends the target's episode.

    With `physics`, mass, damping and the motors' gain are drawn anew at each reset.
    """

    task: NavigationTask = eqx.field(static=True)
    episode_length: int = eqx.field(static=True)
    rescue: RescueStarts | None = eqx.field(static=True)
    actions: ActionSpace
    physics: PhysicsRange | None

    def __init__(
        self,
        task: NavigationTask,
        *,
        episode_length: int | None = None,
        rescue: RescueStarts | None = None,
        physics: PhysicsRange | None = None,
    ):
        if not task.compiles:
            reason = "has vases" if task.robot == "point" else f"has the robot {task.robot!r}"
            raise HandrailError(
                f"task {task.name!r} {reason}, which compiled physics cannot simulate; use "
                "MujocoNavigation, or for the point robot the task's `.without_vases`"
            )
        self.task, self.rescue, self.physics = task, rescue, physics
        self.episode_length = checked_length(
            task.episode_length, episode_length, starts=rescue, in_source=not task.has_goal
        )
        self.actions = BoxActions(2)

    def reset(self, *, key: Key[Array, ""]):
        places = sample_places(self.task, key=stream(key, "places"))
        zero = jnp.zeros(())
        body = Body(places.robot, places.heading, jnp.zeros(2), zero)
        if self.rescue is not None:
            body = self._rescue_start(self.rescue, body, places.hazards, key=stream(key, "rescue"))
        physics = None
        if self.physics is not None:
            physics = Physics.scaled(*self.physics.draw(stream(key, "physics")))
        state = NavigationState(body, places.hazards, places.goal, jnp.array(0), physics)
        return state, self.observe(state, jnp.zeros(2))

    def step(self, state: NavigationState, action: Action, *, key: Key[Array, ""]):
        before, body = state.body, planar.advance(state.body, action, _physics(state))
        moved = dataclasses.replace(state, body=body, steps=state.steps + 1)
        cost = in_hazard(body.position, state.hazards, self.task.hazards.size)
        outcome = self._towards_goal if self.task.has_goal else self._moved
        reward, terminated, goal = outcome(state, before, body, key)
        after = dataclasses.replace(moved, goal=goal)
        return after, Timestep(
            observation=self.observe(after, action),
            reward=reward,
            cost=cost.astype(reward.dtype),
            terminated=terminated,
            truncated=after.steps >= self.episode_length,
        )

    def _moved(self, state: NavigationState, before: Body, body: Body, key):
        left = jnp.max(jnp.abs(before.position)) > self.task.extent
        distance = jnp.linalg.norm(body.position - before.position)
        homing = self.task.outside == "homing"
        back = self._beyond(before) - self._beyond(body) if homing else 0.0
        return jnp.where(left, back, distance), left & (self.task.outside == "ends"), state.goal

    def _beyond(self, body: Body) -> Float[Array, ""]:
        """How far the robot is outside the extents (m)."""
        return jnp.linalg.norm(jnp.maximum(jnp.abs(body.position) - self.task.extent, 0.0))

    def _towards_goal(self, state: NavigationState, before: Body, body: Body, key):
        distance = jnp.linalg.norm(state.goal - body.position)
        progress = jnp.linalg.norm(state.goal - before.position) - distance
        met = distance <= GOAL_RADIUS
        goal, found = sample_goal(self.task, body.position, state.hazards, met, key=key)
        reward = progress + jnp.where(met, GOAL_BONUS, 0.0)
        return reward, met & ~found, jnp.where(met & found, goal, state.goal)

    def _rescue_start(
        self, rescue: RescueStarts, body: Body, hazards: Float[Array, "hazards 2"], *, key
    ) -> Body:
        """Moves the robot into a hazard in a share of the episodes."""
        share, which, depth, bearing, speed, course, turn = jax.random.uniform(key, (7,))
        hazard = hazards[jnp.floor(which * hazards.shape[0]).astype(int)]
        radius = self.task.hazards.size * jnp.sqrt(depth)  # uniform over the disc
        place = jnp.clip(hazard + radius * _unit(bearing), -self.task.extent, self.task.extent)
        inside = Body(
            place,
            body.heading,
            rescue.max_speed * speed * _unit(course),
            rescue.max_turn_rate * (2 * turn - 1),
        )
        begins_inside = share < rescue.share
        return jax.tree.map(lambda a, b: jnp.where(begins_inside, a, b), inside, body)

    def observe(self, state: NavigationState, action: Action) -> dict[str, Array]:
        """The observation of a state, reached by the action (zeros at the beginning)."""
        parts = planar.sensors(state.body, action, _physics(state))
        parts["hazards_lidar"] = lidar(state.body, state.hazards)
        if self.task.has_goal:
            parts["goal_lidar"] = lidar(state.body, state.goal[None])
        return {name: parts[name] for name in self.task.parts}

    def scene(self, state: NavigationState):
        """What there is to see from above, for `handrail.envs.navigation.drawing.draw`."""
        import numpy as np

        from handrail.envs.navigation.drawing import Scene

        return Scene(
            extent=self.task.extent,
            robot=np.asarray(state.body.position),
            heading=float(state.body.heading),
            hazards=np.asarray(state.hazards),
            hazard_size=self.task.hazards.size,
            vases=np.zeros((0, 2)),
            vase_headings=np.zeros(0),
            vase_size=0.0,
            goal=np.asarray(state.goal) if self.task.has_goal else None,
        )


def _physics(state: NavigationState) -> Physics:
    """Of the state's episode; Python's numbers where it is nominal, which compile to constants."""
    return NOMINAL if state.physics is None else state.physics


def _unit(turn: Float[Array, ""]) -> Float[Array, "2"]:
    """The direction at a share of a full turn."""
    return jnp.stack([jnp.cos(2 * jnp.pi * turn), jnp.sin(2 * jnp.pi * turn)])


def lidar(body: Body, places: Float[Array, "objects 2"]) -> Float[Array, "16"]:
    """The pseudo-lidar of `handrail.envs.navigation.lidar`, for a robot on the plane."""
    ahead, left = jax.vmap(lambda place: planar.to_body(body, place - body.position))(places).T
    reading = jnp.maximum(0.0, LIDAR_RANGE - jnp.hypot(ahead, left)) / LIDAR_RANGE
    turn = jnp.mod(jnp.arctan2(left, ahead), 2 * jnp.pi) * (LIDAR_BINS / (2 * jnp.pi))
    index = jnp.floor(turn)
    fraction = turn - index
    # How many bins each direction lies after the object's own: 0, 1 and 15 are lit.
    after = jnp.mod(jnp.arange(LIDAR_BINS)[:, None] - index.astype(int)[None], LIDAR_BINS)
    share = jnp.select(
        [after == 0, after == 1, after == 15], [1.0, fraction[None], 1 - fraction[None]], 0.0
    )
    return jnp.max(share * reading[None], axis=-1)
