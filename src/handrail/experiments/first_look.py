"""What can be said of an environment's name before knowledge for it is acquired."""

from handrail.envs.lava.source import open_source
from handrail.envs.navigation.tasks import navigation_task
from handrail.errors import HandrailError, UnknownName
from handrail.experiments.families import FAMILIES, NAVIGATION

OWN = (
    "environments of your own are for the Python functions (handrail.train_dqn, "
    "handrail.train_guide, handrail.train_student, …)"
)


def look_at(environment: str, *, seed: int = 0) -> None:
    """Raises `HandrailError` if commands cannot train in the environment of this name.

    Takes milliseconds: of a lava environment the grid of `seed` is read, and nothing is compiled.
    Raises `UnknownName`, which lists the environments of all families, for a name that nobody
    knows. Names that Gymnasium knows, or that name a module (`MODULE:ID`), are told from those.
    """
    if environment in NAVIGATION.environments:
        navigation_task(environment)
        return
    if ":" in environment:
        raise HandrailError(f"environment {environment!r} names a module to be imported; {OWN}")
    import gymnasium
    import minigrid  # noqa: F401  (registers its environments)

    if not {environment, f"MiniGrid-{environment}-v0"} & gymnasium.registry.keys():
        names = [name for family in FAMILIES for name in family.environments]
        error = UnknownName("environment", environment, names)
        error.args = (f"{error}; {OWN}",)
        raise error
    try:
        open_source(environment).layout(seed)
    except HandrailError as error:
        raise HandrailError(f"{error}; {OWN}") from None
