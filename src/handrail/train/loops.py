"""Which loop an environment needs."""

from handrail.core.errors import HandrailError
from handrail.envs.host import AbstractHost, AnyEnvironment
from handrail.interventions.base import Intervention
from handrail.interventions.substitutes import in_agent_units
from handrail.learners.base import AbstractAgent
from handrail.train.compiled import Loop
from handrail.train.host import HostLoop
from handrail.train.step_statistics import NOTHING, AbstractStepStatistics
from handrail.train.vector import VectorLoop

AnyLoop = Loop | HostLoop | VectorLoop
"""An agent in an environment, run in chunks of blocks."""


def make_loop(
    environment: AnyEnvironment,
    agent: AbstractAgent,
    intervention: Intervention,
    total: int,
    statistics: AbstractStepStatistics = NOTHING,
    *,
    delayed: bool = False,
    copies: int = 1,
) -> AnyLoop:
    """The compiled loop where the environment compiles, else the one on the host.

    `delayed` says whether the latter learns from a block while the next one is stepped. `copies`
    of a compiled environment are stepped side by side; one on the host brings its own.
    """
    if isinstance(environment, AbstractHost):
        return HostLoop(environment, agent, intervention, total, statistics, delayed=delayed)
    agent_form = getattr(environment, "agent_form", None)  # of one of the user's
    if agent_form is not None:
        intervention = in_agent_units(intervention, agent_form)
    if copies == 1:
        return Loop(environment, agent, intervention, total, statistics)
    if statistics is not NOTHING:
        raise HandrailError(
            f"{copies} environments side by side, and statistics of each one's state: expected 1"
        )
    return VectorLoop(environment, agent, intervention, total, copies)
