"""Names that have moved to `host_wrappers` and `vector_host`, until callers use those."""

from handrail.envs.host_wrappers import VectorRewarded, rewarded
from handrail.envs.vector_host import copy_of

__all__ = ["VectorRewarded", "copy_of", "rewarded"]
