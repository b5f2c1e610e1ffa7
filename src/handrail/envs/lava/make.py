"""Making a lava environment from its name and options."""

from collections.abc import Sequence

from handrail.core.errors import HandrailError, UnknownName
from handrail.envs.lava.environment import LavaEnvironment, assemble, check_view, describe
from handrail.envs.lava.layouts import LayoutChoice, draw, fixed, starting_anywhere
from handrail.envs.lava.looks import LavaColor, random_looks
from handrail.envs.lava.source import LavaSource, open_source
from handrail.envs.lava.tables import compile_tables

FIRST_PUBLISHED = fixed(123)  # the first of the three targets in arXiv:2503.10318
STARTS = ("seed", "anywhere")


def make_lava(
    name: str,
    *,
    observation: str = "symbolic",
    layout: LayoutChoice | int = FIRST_PUBLISHED,
    further: Sequence[str] = (),
    starts: str = "seed",
    window: int | None = None,
    random_looks_seed: int | None = None,
    lava_color: LavaColor = None,
) -> LavaEnvironment:
    """Compiles a MiniGrid environment such as `LavaCrossingS9N1`.

    Arguments:
        observation: `symbolic`, `egocentric` or `pixels`.
        layout: `fixed(seed)` (or just the seed), or `pool(size, seed, exclude)`.
        further: environments whose layouts are added, chosen in the same way; grids and time limits
            have to be of one size.
        starts: `seed`: the poses in which MiniGrid itself started at the seeds of the layouts;
            `anywhere`: every free cell that is linked to a goal, in every direction, uniformly.
        window: cells a side that `egocentric` shows, odd; by default so many that the whole grid
            fits in wherever the agent stands.
        random_looks_seed: paints every layout otherwise (`random_looks`), for `pixels`; no look
            comes near the colours that MiniGrid has names for.
        lava_color: repaints the lava, for `pixels`.

    Raises `UnknownName` or `HandrailError`.
    """
    check_view(observation, lava_color, window)  # before layouts are looked for
    if starts not in STARTS:
        raise UnknownName("starts", str(starts), STARTS)
    if random_looks_seed is not None and (observation != "pixels" or lava_color is not None):
        raise HandrailError(
            f"random_looks_seed={random_looks_seed} needs observation='pixels' and no lava_color; "
            f"they are {observation!r} and {lava_color!r}"
        )
    sources = check_alike([name, *further])
    source = sources[0]
    layouts = [one for each in sources for one in draw(each, layout)]
    if starts == "anywhere":
        layouts = [starting_anywhere(one) for one in layouts]
    tables = compile_tables(layouts)
    real = source.real
    seed = random_looks_seed
    looks = () if seed is None else random_looks(len(layouts), seed)
    return assemble(
        describe(" and ".join(each.name for each in sources), real, layouts, tables, looks),
        tables,
        observation,
        episode_length=real.max_steps,
        action_names=tuple(action.name for action in real.actions),
        lava_color=lava_color,
        window=window,
    )


def check_alike(names: Sequence[str]) -> list[LavaSource]:
    """The environments whose layouts one pool may have, opened. Raises `HandrailError` where one
    occurs twice, or grids or time limits are of another size.
    """
    sources = [open_source(name) for name in names]
    short = [source.name for source in sources]
    if len(set(short)) < len(short):
        raise HandrailError(f"{', '.join(short)}: an environment occurs twice; name each once")
    first = sources[0]
    for source in sources[1:]:
        if _facts(source) != _facts(first):
            raise HandrailError(
                f"{first.name} has {_words(first)}, {source.name} {_words(source)}: layouts of one "
                "pool need grids and episodes of one size; leave one of them out"
            )
    return sources


def _facts(source: LavaSource) -> tuple[object, ...]:
    real = source.real
    return (real.width, real.height, real.max_steps, real.agent_view_size,
            real.see_through_walls, tuple(action.name for action in real.actions))  # fmt: skip


def _words(source: LavaSource) -> str:
    real = source.real
    return f"{real.width} × {real.height} cells and {real.max_steps} steps an episode"
