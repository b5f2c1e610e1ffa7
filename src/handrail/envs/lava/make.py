"""Making a lava environment from its name and options."""

from handrail.core.errors import UnknownName
from handrail.envs.lava.environment import (
    LavaEnvironment,
    assemble,
    check_view,
    describe,
)
from handrail.envs.lava.layouts import LayoutChoice, draw, fixed, starting_anywhere
from handrail.envs.lava.rendering import LavaColor
from handrail.envs.lava.source import open_source
from handrail.envs.lava.tables import compile_tables

FIRST_PUBLISHED = fixed(123)  # the first of the three targets in arXiv:2503.10318
STARTS = ("seed", "anywhere")


def make_lava(
    name: str,
    *,
    observation: str = "symbolic",
    layout: LayoutChoice | int = FIRST_PUBLISHED,
    starts: str = "seed",
    lava_color: LavaColor = None,
) -> LavaEnvironment:
    """Compiles a MiniGrid environment such as `LavaCrossingS9N1`.

    Arguments:
        observation: `symbolic`, `egocentric` or `pixels`.
        layout: `fixed(seed)` (or just the seed), or `pool(size, seed, exclude)`.
        starts: `seed`: the poses in which MiniGrid itself started at the seeds of the layouts;
            `anywhere`: every free cell that is linked to a goal, in every direction, uniformly.
        lava_color: repaints the lava, for `pixels`.

    Raises `UnknownName` or `HandrailError`.
    """
    check_view(observation, lava_color)  # before layouts are looked for
    if starts not in STARTS:
        raise UnknownName("starts", str(starts), STARTS)
    source = open_source(name)
    layouts = draw(source, layout)
    if starts == "anywhere":
        layouts = [starting_anywhere(one) for one in layouts]
    tables = compile_tables(layouts)
    real = source.real
    return assemble(
        describe(source.name, real, layouts, tables),
        tables,
        observation,
        episode_length=real.max_steps,
        action_names=tuple(action.name for action in real.actions),
        lava_color=lava_color,
    )
