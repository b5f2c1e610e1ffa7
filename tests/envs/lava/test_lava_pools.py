"""Pools of several environments, windows, and random looks."""

import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.envs.lava import make_lava, pool, views
from handrail.envs.lava.looks import (
    APART,
    OWN,
    TEXTURES,
    TILES,
    LavaLook,
    held_out_colors,
    random_looks,
)
from handrail.envs.lava.rendering import render

N1, N2, S11 = "LavaCrossingS9N1", "LavaCrossingS9N2", "LavaCrossingS11N5"


def test_a_pool_of_two_environments_has_the_rows_of_both():
    both = make_lava(N2, layout=pool(4), further=(N1,))
    parts = [make_lava(name, layout=pool(4)) for name in (N2, N1)]
    np.testing.assert_array_equal(both.grids, np.concatenate([part.grids for part in parts]))
    live, first = both.observations.live, parts[0].observations.live
    assert live == first + parts[1].observations.live
    for name in ("unsafe_table", "enters_goal"):
        mine = np.asarray(getattr(both, name))[:live]
        theirs = [np.asarray(getattr(p, name))[: p.observations.live] for p in parts]
        np.testing.assert_array_equal(mine, np.concatenate(theirs))
    frames = [p.observations.frames[: p.observations.live] for p in parts]
    np.testing.assert_array_equal(both.observations.frames[:live], np.concatenate(frames))
    # no step leads from a layout of one into one of the other
    assert (both.layout_of_row[np.asarray(both.successor)].T == both.layout_of_row).all()
    assert both.start_rows.shape[0] == 8 and both.world.name == f"{N2} and {N1}"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((N2, S11), "LavaCrossingS9N2 has 9 × 9 cells .* LavaCrossingS11N5 11 × 11 cells"),
        ((N2, N1, "MiniGrid-LavaCrossingS9N2-v0"), "an environment occurs twice"),
        ((N2, "LavaCrossingS9"), "LavaCrossingS9"),
    ],
)
def test_environments_that_make_no_pool_are_refused(names, message):
    with pytest.raises(HandrailError, match=message):
        make_lava(names[0], layout=pool(2), further=names[1:])


@pytest.mark.parametrize("window", [3, 7, 17, 19])
def test_a_window_is_the_middle_of_what_a_larger_one_shows(window):
    whole = make_lava(N2, layout=3).frames("egocentric", window=25).reshape(-1, 25, 25, 3)
    found = make_lava(N2, layout=3, observation="egocentric", window=window).observations.frames
    cut = (25 - window) // 2
    middle = whole[:, cut : 25 - cut, cut : 25 - cut]
    np.testing.assert_array_equal(found, middle.reshape(len(found), -1))


def test_no_window_is_as_many_cells_as_the_whole_grid_needs():
    world = make_lava(N2, layout=3)
    np.testing.assert_array_equal(world.frames("egocentric"), world.frames("egocentric", window=17))


def test_grids_of_another_size_look_alike_through_a_window():
    small, large = (make_lava(name, layout=3).frames("egocentric", window=3) for name in (N2, S11))
    assert small.shape[1] == large.shape[1] == 3 * 3 * 3
    assert {row.tobytes() for row in small} & {row.tobytes() for row in large}
    whole = [make_lava(name, layout=3).frames("egocentric").shape[1] for name in (N2, S11)]
    assert whole == [17 * 17 * 3, 21 * 21 * 3]


@pytest.mark.parametrize("window", [1, 4, 101])
def test_a_window_without_a_middle_is_refused(window):
    with pytest.raises(HandrailError, match=f"window is {window}: expected an odd number"):
        views.egocentric_side(9, 9, window)
    with pytest.raises(HandrailError, match="needs the egocentric view"):
        make_lava(N2, window=7)


def test_looks_are_random_and_keep_away_from_what_is_held_out():
    looks = random_looks(400, seed=0)
    assert looks[:40] == random_looks(40, seed=0) != random_looks(40, seed=1)
    assert looks[::4] == (OWN,) * 100
    drawn = [look for look in looks if look != OWN]
    assert len(set(drawn)) == 300
    held_out = held_out_colors()
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255)} <= {tuple(color) for color in held_out.tolist()}
    distances = [np.linalg.norm(held_out - look.color, axis=1).min() for look in drawn]
    assert min(distances) >= APART
    assert {look.texture for look in drawn} == set(TEXTURES)
    assert {look.tile for look in drawn} == set(TILES)
    assert 0.6 <= min(look.brightness for look in drawn) < max(look.brightness for look in drawn)


def test_each_layout_has_its_look_and_nothing_else_differs():
    plain = make_lava("LavaGapS5", layout=pool(3), observation="pixels")
    painted = make_lava("LavaGapS5", layout=pool(3), observation="pixels", random_looks_seed=0)
    np.testing.assert_array_equal(plain.successor, painted.successor)
    ours, theirs = painted.observations.frames, plain.observations.frames
    same = np.array([np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)])
    np.testing.assert_array_equal(same, painted.layout_of_row % 4 == 0)
    repainted = painted.frames("pixels", lava_color="blue")
    np.testing.assert_array_equal(repainted, plain.frames("pixels", lava_color="blue"))


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_look_changes_lava_alone_and_brightness_everything(texture):
    world = make_lava("LavaGapS5", layout=0, observation="pixels")
    encoding, kinds, poses = world.world.encodings[0], world.grids[0], world.world.pose_of_row[:1]
    color = (40, 200, 220)
    bright = render(encoding, kinds, poses, look=LavaLook(color, texture))[0]
    own = render(encoding, kinds, poses)[0]
    lava = np.kron(kinds.T == 2, np.ones((8, 8), bool))
    np.testing.assert_array_equal(bright[~lava], own[~lava])
    assert (bright[lava] != own[lava]).any(axis=-1).mean() > 0.5
    flat = len(np.unique(bright[8:16, lava.any(axis=0).nonzero()[0][:8]].reshape(-1, 3), axis=0))
    assert (flat == 1) == (texture == "plain")
    dim = render(encoding, kinds, poses, look=LavaLook(color, texture, brightness=0.5))[0]
    np.testing.assert_array_equal(dim, (bright * 0.5).astype(np.uint8))
    large = render(encoding, kinds, poses, look=LavaLook(color, texture, tile=16))[0]
    assert large.shape == (80, 80, 3)


def test_random_looks_without_pixels_are_refused():
    for options in ({}, {"observation": "pixels", "lava_color": "blue"}):
        with pytest.raises(HandrailError, match="random_looks_seed=0 needs observation='pixels'"):
            make_lava("LavaGapS5", random_looks_seed=0, **options)
