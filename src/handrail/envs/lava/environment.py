"""MiniGrid crossings as a compiled environment: a step is a look-up in a table."""

import dataclasses
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt8

from handrail.core.errors import HandrailError, UnknownName
from handrail.core.rng import stream
from handrail.core.rows import AbstractByRow, padded_table
from handrail.core.types import Action, Timestep
from handrail.envs.base import AbstractFiniteEnvironment, DiscreteActions, FiniteObservations
from handrail.envs.lava import views
from handrail.envs.lava.looks import OWN, LavaColor, LavaLook
from handrail.envs.lava.rendering import render, rgb
from handrail.envs.lava.resize import SIDE, resize
from handrail.envs.lava.source import LavaLayout
from handrail.envs.lava.tables import FORWARD, STEPS, Tables

OBSERVATIONS = ("symbolic", "pixels", "egocentric")
_MOST_BYTES = 8 * 2**30


class LavaState(eqx.Module):
    """Where the episode stands. The row gives layout, cell and direction."""

    row: Int[Array, ""]
    steps: Int[Array, ""]  # taken in this episode


@dataclasses.dataclass(frozen=True, eq=False)
class World:
    """Facts for drawing and for measurements; they stay on the host.

    Compared and hashed by identity, so that an environment's tree structure can be.
    """

    digested: ClassVar[tuple[str, ...]] = ("looks",)  # frames show them (core.identity)

    name: str
    width: int
    height: int
    view_size: int
    see_through_walls: bool
    seeds: tuple[int, ...]  # the reset that gave each layout
    encodings: UInt8[np.ndarray, "layouts width height 3"]
    grids: UInt8[np.ndarray, "layouts width height"]
    layout_of_row: Int[np.ndarray, " rows"]
    pose_of_row: Int[np.ndarray, "rows 3"]
    looks: tuple[LavaLook, ...] = ()  # by layout; none: as MiniGrid paints them


def _no_world() -> World:
    colors, kinds = np.zeros((0, 0, 0, 3), np.uint8), np.zeros((0, 0, 0), np.uint8)
    return World("", 0, 0, 0, False, (), colors, kinds, np.zeros(0, int), np.zeros((0, 3), int))


NO_WORLD = _no_world()
"""Of an environment that is stepped and neither drawn nor measured."""


class LavaEnvironment(AbstractFiniteEnvironment, AbstractByRow):
    """A MiniGrid environment made of walls, lava, floor and goals, compiled from MiniGrid.

    Observations are `int32` rows of `observations.frames`; rows are poses (layout, cell,
    direction), first those that can be acted on, then those on lava or on a goal. The reward
    is 1 - 0.9 · steps / `episode_length` on reaching a goal, else 0. The cost is 1 for a step
    into lava, which terminates the episode, else 0. Like MiniGrid, an episode that ends on
    its very last step is both terminated and truncated.

    A reset draws a layout uniformly and one of its starts uniformly. Made by
    `handrail.envs.registry.make`.
    """

    observations: FiniteObservations
    successor: Int[Array, "rows actions"]  # the next row; ended rows lead to themselves
    enters_goal: Bool[Array, "rows actions"]
    unsafe_table: Bool[Array, "rows actions"]  # the truth: the action incurs a cost
    lava_ahead: Bool[Array, " rows"]
    start_rows: Int[Array, "layouts starts"]  # padded by repeating the first start
    start_counts: Int[Array, " layouts"]
    reward_after: Float[Array, " steps"]  # what a goal pays at each step count
    world: World = eqx.field(static=True)
    actions: DiscreteActions = eqx.field(static=True)
    episode_length: int = eqx.field(static=True)

    def reset(self, *, key: Key[Array, ""]) -> tuple[LavaState, Int[Array, ""]]:
        # Loops reset at every step to be ready for an end, so needless draws are left out.
        layout, start = jnp.int32(0), jnp.int32(0)
        layouts, starts = self.start_rows.shape
        if layouts > 1:
            layout = jax.random.randint(stream(key, "lava/layout"), (), 0, layouts)
        if starts > 1:
            count = self.start_counts[layout]
            start = jax.random.randint(stream(key, "lava/start"), (), 0, count)
        row = self.start_rows[layout, start]
        return LavaState(row, jnp.int32(0)), row

    def step(
        self, state: LavaState, action: Action, *, key: Key[Array, ""]
    ) -> tuple[LavaState, Timestep]:
        """One step; MiniGrid is deterministic, so `key` is not used."""
        row = self.successor[state.row, action]
        steps = state.steps + 1
        goal = self.enters_goal[state.row, action]
        burnt = self.unsafe_table[state.row, action]
        timestep = Timestep(
            observation=row,
            reward=jnp.where(goal, self.reward_after[steps], 0.0),
            cost=burnt.astype(jnp.float32),
            terminated=goal | burnt,
            truncated=steps >= self.episode_length,
        )
        return LavaState(row, steps), timestep

    def unsafe_actions(self, state: LavaState) -> Bool[Array, " actions"]:
        return self.unsafe_table[state.row]

    @property
    def most_rows(self) -> int:
        """Every pose within the walls of every layout."""
        width, height = self.world.width - 2, self.world.height - 2
        return len(self.world.grids) * width * height * len(STEPS)

    def padded(self, rows: int) -> "LavaEnvironment":
        """For steps alone, without frames and facts of a world."""
        tables = ("successor", "enters_goal", "unsafe_table", "lava_ahead")
        return dataclasses.replace(
            self,
            observations=FiniteObservations(np.zeros((rows, 0), np.uint8), rows),
            world=NO_WORLD,
            **{name: padded_table(getattr(self, name), rows) for name in tables},
        )

    @property
    def grids(self) -> UInt8[np.ndarray, "layouts width height"]:
        """By layout and `[x, y]`: 0 floor, 1 wall, 2 lava, 3 goal."""
        return self.world.grids

    @property
    def layout_of_row(self) -> Int[np.ndarray, " rows"]:
        return self.world.layout_of_row

    @property
    def cell_of_row(self) -> Int[np.ndarray, "rows 2"]:
        """(x, y) of the agent, from the upper left corner."""
        return self.world.pose_of_row[:, :2]

    @property
    def direction_of_row(self) -> Int[np.ndarray, " rows"]:
        """0 right, 1 down, 2 left, 3 up."""
        return self.world.pose_of_row[:, 2]

    def frames(
        self, view: str = "symbolic", lava_color: LavaColor = None, window: int | None = None
    ) -> np.ndarray:
        """The table of another view, uint8, with the same rows; see `frames`."""
        return frames(self.world, view, lava_color, window)


def check_view(view: str, lava_color: LavaColor, window: int | None = None) -> None:
    """Refuses other views, a colour in one without pixels, and a window in one without."""
    if view not in OBSERVATIONS:
        raise UnknownName("observation", str(view), OBSERVATIONS)
    if window is not None and view != "egocentric":
        raise HandrailError(
            f"window={window} needs the egocentric view; {view!r} always shows the whole grid"
        )
    if lava_color is not None and view != "pixels":
        raise HandrailError(
            f"lava_color={lava_color!r} needs observation='pixels'; {view!r} has no colours"
        )


def frames(
    world: World, view: str, lava_color: LavaColor = None, window: int | None = None
) -> np.ndarray:
    """What the agent sees in every row: uint8, `(rows, numbers)` or `(rows, 84, 84, 3)`.

    `view` is `symbolic`, `egocentric` (see `views`) or `pixels`: the whole grid rendered by
    MiniGrid at 8 pixels a tile, then resized. `lava_color` repaints the lava in pixels; without
    it every layout has its look (`world.looks`). `window` is the side of an egocentric window.
    Raises `UnknownName` for another view, `HandrailError` for a colour without pixels, or a window
    without the egocentric view.
    """
    check_view(view, lava_color, window)
    shape = _shape(world, view, window)
    rows = len(world.layout_of_row)
    size = rows * int(np.prod(shape))
    if size > _MOST_BYTES:
        raise HandrailError(
            f"{rows} frames of {shape} take {size / 2**30:.1f} GiB; ask for a smaller pool of "
            "layouts or another observation"
        )
    table = np.empty((rows, *shape), np.uint8)
    looks = world.looks or (OWN,) * len(world.grids)
    for layout, (encoding, kinds) in enumerate(zip(world.encodings, world.grids, strict=True)):
        mine = world.layout_of_row == layout
        poses = world.pose_of_row[mine]
        if view == "pixels":
            look = looks[layout] if lava_color is None else LavaLook(rgb(lava_color))
            table[mine] = _pixels(world, encoding, kinds, poses, look)
            continue
        numbers = views.symbolic(kinds, poses)
        if view == "egocentric":
            numbers = views.egocentric(numbers, world.width, world.height, window)
        table[mine] = numbers
    return table


def _pixels(world, encoding, kinds, poses, look) -> np.ndarray:
    pictures = render(
        encoding,
        kinds,
        poses,
        view_size=world.view_size,
        see_through_walls=world.see_through_walls,
        look=look,
    )
    return resize(pictures)


def assemble(
    world: World,
    tables: Tables,
    observation: str,
    *,
    episode_length: int,
    action_names: tuple[str, ...],
    lava_color: LavaColor = None,
    window: int | None = None,
) -> LavaEnvironment:
    """Puts a compiled environment together from its tables."""
    longest = max(map(len, tables.starts))
    starts = [np.pad(rows, (0, longest - len(rows)), mode="edge") for rows in tables.starts]
    steps = np.arange(episode_length + 1)
    # Computed in double precision and rounded once, like MiniGrid's value when it is stored.
    rewards = (1 - 0.9 * (steps / episode_length)).astype(np.float32)
    table = frames(world, observation, lava_color, window)
    return LavaEnvironment(
        observations=FiniteObservations(frames=table, live=tables.live),
        successor=jnp.asarray(tables.successor, jnp.int32),
        enters_goal=jnp.asarray(tables.enters_goal),
        unsafe_table=jnp.asarray(tables.enters_lava),
        lava_ahead=jnp.asarray(tables.enters_lava[:, FORWARD]),
        start_rows=jnp.asarray(np.stack(starts), jnp.int32),
        start_counts=jnp.asarray([len(rows) for rows in tables.starts], jnp.int32),
        reward_after=jnp.asarray(rewards),
        world=world,
        actions=DiscreteActions(len(action_names), action_names),
        episode_length=episode_length,
    )


def describe(
    name: str, real, layouts: list[LavaLayout], tables: Tables, looks: tuple[LavaLook, ...] = ()
) -> World:
    """The facts of an opened MiniGrid environment and its layouts."""
    return World(
        name=name,
        width=real.width,
        height=real.height,
        view_size=real.agent_view_size,
        see_through_walls=real.see_through_walls,
        seeds=tuple(layout.seed for layout in layouts),
        encodings=np.stack([layout.encoding for layout in layouts]),
        grids=np.stack([layout.kinds for layout in layouts]),
        layout_of_row=tables.layout,
        pose_of_row=tables.pose,
        looks=looks,
    )


def _shape(world: World, view: str, window: int | None) -> tuple[int, ...]:
    if view == "pixels":
        return (SIDE, SIDE, 3)
    if view == "egocentric":
        return (3 * views.egocentric_side(world.width, world.height, window) ** 2,)
    return (world.width * world.height * len(views.SYMBOLIC_CHANNELS),)
