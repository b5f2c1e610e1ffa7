"""Knowledge out of files, or by the name under which it ships with the package."""

from collections.abc import Callable
from pathlib import Path

from jaxtyping import Array, Float

from handrail.core.artifact import Card, load
from handrail.core.errors import HandrailError
from handrail.core.types import Observation
from handrail.envs.lava.environment import OBSERVATIONS, LavaEnvironment
from handrail.envs.navigation.problems import navigation_problem
from handrail.envs.navigation.tasks import TASKS
from handrail.envs.transfer import TransferProblem
from handrail.knowledge.catalog import located
from handrail.methods.contrastive.artefacts import prior_values, read_encoder, read_prior
from handrail.methods.contrastive.inputs import TableInputs
from handrail.methods.sagui import guide_file
from handrail.methods.sagui.guide import Guide
from handrail.tasks.lava.fitting import check_size, window_of


def load_guide(
    file: Path | str, problem: TransferProblem | None = None, *, limit: float | None = None
) -> Guide:
    """A guide that fits a transfer problem: it saw what the view gives, and has the same actions.

    Args:
        file: its file, or the name of one that ships, such as `navigation-static` (`handrail
            knowledge list` names all).
        problem: where it is to act; by default the navigation task that has its name.
        limit: the student's, of an episode of the target, undiscounted: a guide that was trained
            for a higher one is refused.

    Raises `HandrailError`, naming both sides, where file and problem do not fit, and `UnknownName`.
    """
    path = located("guide", file)
    if problem is None:
        if str(file) not in TASKS:
            raise HandrailError(
                f"{file}: give the problem that the guide is to act in, as "
                "load_guide(file, problem); only guides that ship have one of their name"
            )
        problem = navigation_problem(str(file))
    return guide_file.load_guide(path, problem, limit=limit)


def prior_of_world(
    path: Path, world: LavaEnvironment
) -> Callable[[Observation], Float[Array, " actions"]]:
    """The prior of a file as a function of the rows of a lava world."""
    inputs = world_inputs(path, load(path, expect="prior")[0], world)
    return prior_values(inputs, read_prior(path, inputs, world.actions.n))


def encoder_of_world(
    path: Path, world: LavaEnvironment
) -> tuple[Callable[[Observation], Float[Array, " latent"]], Float[Array, "known latent"]]:
    """The embedding of a lava world's rows, and the unsafe ones that came with the file."""
    inputs = world_inputs(path, load(path, expect="encoder")[0], world)
    embedding = read_encoder(path, inputs)
    return inputs.frozen_embedding(embedding.encoder), embedding.unsafe


def world_inputs(path: Path, card: Card, world: LavaEnvironment) -> TableInputs:
    """What a file's networks read of a lava world. Raises `HandrailError` for another file."""
    view = card.spec.get("view")
    if view not in OBSERVATIONS:
        raise HandrailError(
            f"{path} does not fit {world.world.name}: it sees {view!r}, but a lava world is seen "
            f"as {', '.join(OBSERVATIONS)}"
        )
    window = window_of(path, card)
    check_size(path, card, world.world.name, world.world.width, world.world.height)
    return TableInputs(world.frames(view, None, window), world.observations.live, view, window)
