"""Steps a second in a task of a JAX library: in the compiled loop, and as a Gymnasium environment.

    python -m benchmarks.jax_environments [--quick] [--task CartPole-v1]

Both train the same double DQN (two hidden layers of 64, a batch of 32 every 4 steps) in the same
task of gymnax, one thread each. `compiled` is `handrail.from_gymnax` in the compiled loop, `host`
gymnax's own Gymnasium wrapper (its step is compiled) in the host loop, with a cost function of
Python. The cost is that of a cart farther than 0.5 from the middle. The target is a ratio of 20.
"""

from benchmarks.common import Contestant, Gate, Sheet, alternate, arguments, per_second, ratio

TARGET = 20.0
BLOCKS = 4  # of steps before anything is timed


def _run(gate: Gate, environment, steps: int) -> None:
    import jax
    import numpy as np
    import optax

    from handrail.interventions.recipes import none
    from handrail.learners.q.agent import Exploration, QAgent
    from handrail.learners.q.double_dqn import TDLoss
    from handrail.learners.q.values import Direct
    from handrail.methods.contrastive.inputs import VectorInputs
    from handrail.replay.ring import Ring
    from handrail.train.loops import make_loop

    inputs = VectorInputs(np.zeros(environment.observation_zeros().shape, np.float32))
    agent = QAgent(
        loss=TDLoss(Direct(), discount=0.99),
        make_network=inputs.q_network((64, 64), environment.actions.n),
        optimizer=optax.adam(1e-3),
        replay=Ring(50_000),
        exploration=Exploration(),
        actions=environment.actions.n,
        train_every=4,
        batch=32,
        target_every=1_000,
        learning_starts=64,
    )
    loop = make_loop(environment, agent, none(), 10_000_000)
    state, *_ = loop.blocks(loop.init(key=jax.random.key(0)), 16, learn=False)
    for _ in range(BLOCKS):
        state, *_ = loop.blocks(state, steps // agent.train_every, learn=True)
    while True:
        gate()
        state, *_ = jax.block_until_ready(
            loop.blocks(state, steps // agent.train_every, learn=True)
        )


def compiled(gate: Gate, *, task: str, steps: int) -> None:
    """The compiled loop."""
    import jax.numpy as jnp

    from handrail.envs.jax_libraries.gymnax import from_gymnax

    _run(gate, from_gymnax(task, cost=lambda state, action, after: jnp.abs(after.x) > 0.5), steps)


def host(gate: Gate, *, task: str, steps: int) -> None:
    """The host loop, on gymnax's wrapper for Gymnasium."""
    import gymnax
    from gymnax.wrappers.gym import GymnaxToGymWrapper

    from handrail.envs.gymnasium.host import GymnasiumHost

    def cost(obs, action, next_obs, info):
        return float(abs(next_obs[0]) > 0.5)

    _run(gate, GymnasiumHost(GymnaxToGymWrapper(*gymnax.make(task)), cost), steps)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--task", default="CartPole-v1")
    options = parser.parse_args()
    repeats = options.repeats or (1 if options.quick else 5)
    sheet = Sheet(
        "jax-environments",
        quick=options.quick,
        settings={"task": options.task, "repeats": repeats, "target": TARGET},
    )
    few, many = (200, 4_000) if options.quick else (1_000, 40_000)
    turns = alternate(
        {
            "compiled": Contestant(compiled, amount=many, task=options.task, steps=many),
            "host": Contestant(host, amount=few, task=options.task, steps=few),
        },
        repeats,
    )
    sheet.add(
        task=options.task,
        **{f"{name}_per_s": per_second(taken)["cpu"] for name, taken in turns.items()},
        ratio=ratio(turns["host"], turns["compiled"])["cpu"],
    )
    sheet.write()


if __name__ == "__main__":
    main()
