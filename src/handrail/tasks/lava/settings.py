"""What determines runs on lava: the method's settings, and what only these tasks have."""

import dataclasses
from typing import Annotated, Literal

from handrail.core.arguments import Count, Range, Seed
from handrail.core.recorded import added_later
from handrail.core.splits import first_test_seeds
from handrail.envs.lava.views import MOST_CELLS
from handrail.methods.contrastive.settings import (
    AvoidanceSettings,
    EncoderSettings,
    PriorSettings,
    StudentSettings,
)

Observation = Literal["symbolic", "pixels"]
View = Literal["symbolic", "egocentric", "pixels"]
Layouts = Literal["one", "many"]
HeldOut = Literal["published", "test"]
Appearance = Literal["own", "random"]
Window = Annotated[int, Range(3, MOST_CELLS)] | None

SOURCES = ("SimpleCrossingS9N1", "SimpleCrossingS9N2", "LavaCrossingS9N1", "LavaCrossingS9N2")
# Layouts that are reported on; no knowledge is acquired on one of these.
HELD_OUT_ENVIRONMENTS = ("LavaCrossingS9N1", "LavaCrossingS9N2", "LavaCrossingS9N3")
HELD_OUT_SEEDS: dict[HeldOut, tuple[int, ...]] = {
    "published": (123, 456, 789, 1011, 1213),
    "test": first_test_seeds(20),
}
ONE_LAYOUT_SEED = 1  # the authors' source tasks


@dataclasses.dataclass(frozen=True)
class LavaPrior(PriorSettings):
    """The prior of lava worlds."""

    view: View = "symbolic"
    """What the networks see: the learner's observation, or its egocentric view."""
    layouts: Layouts = "one"
    """One fixed layout a task (the paper), or a pool of random ones."""
    pool: Count = 48
    """Layouts a task, if many."""
    sources: tuple[str, ...] = SOURCES
    """Source tasks."""
    environment: str = "LavaCrossingS9N1"
    """Where the prior itself is learnt."""
    held_out: HeldOut = added_later("published")
    """Layouts that are never in the pool: those of the seeds 123, 456, 789, 1011 and 1213, or those
    of the first 20 test seeds (`core/splits.py`), of LavaCrossingS9N1, S9N2 and S9N3."""
    further_environments: tuple[str, ...] = added_later(())
    """Environments in whose layouts, `pool` of each, the prior itself is learnt, too."""
    window: Window = added_later(None)
    """Cells a side that the egocentric view shows, an odd number, so that knowledge fits grids of
    any size; None is as many as the whole grid needs (17 for 9 × 9)."""
    appearance: Appearance = added_later("own")
    """How layouts are painted (pixels): as MiniGrid does, or each with a random colour, texture,
    brightness and size of tiles, none near a colour that MiniGrid has a name for."""


@dataclasses.dataclass(frozen=True)
class LavaEncoder(EncoderSettings):
    """The encoder of lava worlds."""

    view: View = "symbolic"
    """What the encoder sees."""
    environment: str = "LavaCrossingS9N1"
    """Where it is trained, on a pool of random layouts."""
    pool: Count = 48
    """Layouts in the pool."""
    held_out: HeldOut = added_later("published")
    """As of the prior."""
    starts: Literal["seed", "anywhere"] = "seed"
    """Where episodes begin: where MiniGrid itself begins them, or in any free cell, so that an
    agent which acts at random also sees what lies behind the lava."""
    further_environments: tuple[str, ...] = added_later(())
    """Environments in whose layouts, `pool` of each, it is trained, too."""
    window: Window = added_later(None)
    """As of the prior, and the same."""
    appearance: Appearance = added_later("own")
    """As of the prior."""


@dataclasses.dataclass(frozen=True)
class LavaGuide(AvoidanceSettings):
    """The guide of lava worlds, which avoids lava and seeks nothing."""

    view: View = "symbolic"
    """What it sees."""
    environment: str = "LavaCrossingS9N1"
    """Where it is trained, on a pool of random layouts."""
    pool: Count = 48
    """Layouts in the pool."""
    held_out: HeldOut = "published"
    """As of the prior."""
    starts: Literal["seed", "anywhere"] = "anywhere"
    """Where episodes begin, as of the encoder."""
    further_environments: tuple[str, ...] = ()
    """As of the encoder."""
    window: Window = None
    """As of the prior, and the same."""
    appearance: Appearance = "own"
    """As of the prior."""


@dataclasses.dataclass(frozen=True)
class LavaRun(StudentSettings):
    """One agent in one environment."""

    environment: str = "LavaCrossingS9N1"
    """Any MiniGrid environment of walls, lava, floor and goals."""
    method: str = "full"
    """What to run: a row of `methods.contrastive.table`."""
    observation: Observation = "symbolic"
    """What the learner sees: the grid in numbers, or the paper's 84×84 image."""
    seed: Seed = dataclasses.field(default=123, kw_only=True)
    """Seed of the layout and of all else."""
    lava_color: str | None = None
    """Paint the lava in another colour (pixels only)."""


def recommended(run: LavaRun, *, on_latent: bool = False) -> LavaRun:
    """What most users should start with, chosen on layouts other than those reported.

    γ = 0.95, a bonus for states that were seldom visited, both checks always acted upon, the unsafe
    embeddings brought along, and a distance that lies between safe and unsafe states. On symbolic
    observations, whose encoder tells them apart without error, what did harm once is not done again
    either, and the learner takes what it is not let do for the end; on images that has not been
    measured. Made for knowledge from many layouts. Learners `on_latent` have neither the bonus nor
    such ends.
    """
    exact = run.observation == "symbolic"
    learning = dataclasses.replace(run.learning, discount=0.95)
    if not on_latent:
        learning = dataclasses.replace(learning, novelty=0.06, takeover_ends=exact)
    safety = dataclasses.replace(
        run.safety, prior_prob=1.0, threshold=-0.05, bring_known=True,
        max_distance=2.0 if exact else 1.2, repeat_distance=1.0 if exact else 0.0,
    )  # fmt: skip
    return dataclasses.replace(run, learning=learning, safety=safety)
