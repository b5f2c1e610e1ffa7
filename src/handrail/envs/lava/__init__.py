"""MiniGrid crossings compiled into tables."""

from handrail.envs.lava.environment import LavaEnvironment, LavaState
from handrail.envs.lava.layouts import Fixed, Pool, fixed, pool
from handrail.envs.lava.make import make_lava

__all__ = ["Fixed", "LavaEnvironment", "LavaState", "Pool", "fixed", "make_lava", "pool"]
