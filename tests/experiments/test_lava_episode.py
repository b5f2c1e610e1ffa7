"""Recorded episodes on lava: poses, vetoes that are right or needless, and what is remembered."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.core.rng import stream
from handrail.envs.lava.make import make_lava
from handrail.interventions.base import Intervention
from handrail.interventions.near_unsafe import FixedRadius, NearUnsafe
from handrail.interventions.recipes import domain_prior
from handrail.interventions.substitutes import RandomAction
from handrail.report.player.block import player_block
from handrail.tasks.lava.episode import MEMORY, played, read_memory, save_memory
from handrail.train.rollout.base import Drawn


def test_vetoes_are_judged_by_what_the_proposed_action_would_have_done():
    world = make_lava("LavaGapS5", layout=1)
    values = jnp.where(jnp.arange(world.actions.n) == 2, -1.0, 0.0)
    cautious = domain_prior(lambda row: values, prior_prob=0.6)  # dislikes going forward
    ahead = Drawn(lambda row, key: (jax.random.choice(key, jnp.array([0, 2, 2])), {}))
    keys = jax.random.split(jax.random.key(0), 3)
    episodes = played(world, ahead, cautious, cautious.init(), 100, keys)
    assert len(episodes) == 3
    for episode, key in zip(episodes, keys, strict=True):
        state, row = world.reset(key=stream(key, "reset"))
        for step in range(episode.steps):
            pose = [*world.cell_of_row[int(row)], world.direction_of_row[int(row)]]
            assert episode.columns["state/robot"][step].tolist() == pose
            proposed = int(episode.columns["proposed"][step])
            assert episode.columns["harm"][step] == world.unsafe_table[int(row), proposed]
            action = jnp.asarray(episode.columns["action"][step])
            state, timestep = world.step(state, action, key=key)
            row = timestep.observation
        assert [t[0] for t in episode.thresholds] == ["coin", "prior_advantage"]
        acted = np.flatnonzero(episode.columns["intervened"])
        assert episode.next_stops() == acted.tolist()
        assert (episode.columns["evidence/prior_advantage"][acted] < 0).all()
    harm = np.concatenate([each.columns["harm"][each.next_stops()] for each in episodes])
    assert 0 < harm.mean() < 1  # some were needless
    assert '"picture":"lava"' in player_block(episodes).html


def test_what_an_intervention_remembers_is_kept_for_recordings(tmp_path):
    near = NearUnsafe(lambda row: jnp.ones(2), jnp.zeros((1, 2)), FixedRadius(1.0), capacity=4)
    intervention = Intervention(near, RandomAction(3))
    fresh = intervention.init()
    assert read_memory(tmp_path, intervention).inserted == 1
    later = jax.tree.map(lambda leaf: leaf + 1, fresh)
    save_memory(tmp_path, later)
    found = read_memory(tmp_path, intervention)
    jax.tree.map(np.testing.assert_array_equal, found, later)
    other = NearUnsafe(lambda row: jnp.ones(2), jnp.zeros((1, 2)), FixedRadius(1.0), capacity=5)
    with pytest.raises(HandrailError, match="of another intervention"):
        read_memory(tmp_path, Intervention(other, RandomAction(3)))
    (tmp_path / MEMORY).write_bytes(b"no")
    with pytest.raises(HandrailError, match="cannot be read"):
        read_memory(tmp_path, intervention)
