"""The PID multiplier against OmniSafe's, update by update."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.equations.pid import Pid
from tests.support import data, part

RECORDED = part(part(data("methods"), "b_onpolicy"), "pid")
CONFIGS = {
    text.split(": ")[0]: dict(pair.split("=") for pair in text.split(": ")[1].split())
    for text in map(str, RECORDED["configs"])
}


def controller(config):
    """Ours, with the limit of a recorded configuration; its caps depend on two switches."""
    number = {name: float(value) for name, value in config.items() if "norm" not in name}
    diff, added = (config[name] == "True" for name in ("diff_norm", "sum_norm"))
    return number["cost_limit"], Pid(
        number["pid_kp"], number["pid_ki"], number["pid_kd"], int(number["pid_d_delay"]),
        number["pid_delta_p_ema_alpha"], number["pid_delta_d_ema_alpha"],
        number["lagrangian_multiplier_init"],
        highest=1.0 if diff else float("inf") if added else number["penalty_max"],
        highest_integral=1.0 if diff else float("inf"),
    )  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_every_update_is_omnisafes(name):
    limit, pid = controller(CONFIGS[name])

    def step(state, cost):
        state = pid.update(state, cost, limit)
        seen = (state.multiplier, state.integral, state.excess, state.cost, state.earlier[0])
        return state, jnp.stack(seen)

    with jax.enable_x64(True):
        costs = jnp.asarray(RECORDED["ep_cost"], jnp.float64)
        found = jax.lax.scan(step, jax.tree.map(lambda x: x.astype(float), pid.init()), costs)[1]
    np.testing.assert_allclose(found, RECORDED[f"trace/{name}"], rtol=1e-9, atol=1e-9)
    assert np.ptp(found[:, 0]) > 0 or CONFIGS[name]["penalty_max"] == "5"  # it is at its cap


def test_each_of_several_costs_has_its_own():
    pid = Pid()
    state = pid.update(pid.init((2,)), jnp.array([30.0, 0.0]), 10.0)
    assert state.multiplier[0] > state.multiplier[1] == 0


@pytest.mark.parametrize("wrong", [{"delay": 0}, {"excess_memory": 1.0}, {"derivative": -1.0}])
def test_gains_are_checked(wrong):
    with pytest.raises(HandrailError, match=next(iter(wrong))):
        Pid(**wrong)
