"""Which loop an environment needs."""

from handrail.envs.host import AbstractHost, AnyEnvironment
from handrail.interventions.base import Intervention
from handrail.interventions.substitutes import in_agent_units
from handrail.learners.base import AbstractAgent
from handrail.train.compiled import Loop
from handrail.train.host import HostLoop
from handrail.train.step_statistics import NOTHING, AbstractStepStatistics

AnyLoop = Loop | HostLoop
"""An agent in an environment, run in chunks of blocks."""


def make_loop(
    environment: AnyEnvironment,
    agent: AbstractAgent,
    intervention: Intervention,
    total: int,
    statistics: AbstractStepStatistics = NOTHING,
    *,
    delayed: bool = False,
) -> AnyLoop:
    """The compiled loop where the environment compiles, else the one on the host.

    `delayed` says whether the latter learns from a block while the next one is stepped.
    """
    if isinstance(environment, AbstractHost):
        return HostLoop(environment, agent, intervention, total, statistics, delayed=delayed)
    agent_form = getattr(environment, "agent_form", None)  # of one of the user's
    if agent_form is not None:
        intervention = in_agent_units(intervention, agent_form)
    return Loop(environment, agent, intervention, total, statistics)
