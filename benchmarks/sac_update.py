"""Microseconds of one SAC-Lagrangian update, beside its matrix products and a peer's update.

    python -m benchmarks.sac_update [--quick] [--size 32 64 256]

`handrail` is `SacLagrangian.update` with distillation (two reward critics, a cost critic, α, β),
`products` its matrix products alone in the same compiled loop, `peer` the update of
stable-baselines3's SAC (two critics, α). Batch and hidden layers have the same size;
observations have 60 numbers, actions 2. One thread. Each includes drawing its batches.
"""

from benchmarks.common import (
    Contestant,
    Gate,
    Sheet,
    alternate,
    arguments,
    microseconds,
    ratio,
)

OBSERVATION, ACTION = 60, 2
STORED = 5_000
ROUND = 100  # updates in one call


def handrail(gate: Gate, *, size: int, updates: int) -> None:
    """Whole updates on batches drawn at once for a round, as `SacAgent` does."""
    import jax
    import jax.numpy as jnp

    from handrail.core.types import Transition
    from handrail.equations.distillation import authors_distillation
    from handrail.learners.sac.lagrangian import SacLagrangian

    normal = jax.random.normal
    keys = jax.random.split(jax.random.key(0), 6)
    no = jnp.zeros(STORED, bool)
    stored = Transition(
        observation=normal(keys[0], (STORED, OBSERVATION)),
        proposed=jnp.zeros((STORED, ACTION)),
        action=jnp.tanh(normal(keys[1], (STORED, ACTION))),
        reward=normal(keys[2], (STORED,)),
        cost=(normal(keys[3], (STORED,)) > 0).astype(jnp.float32),
        next_observation=normal(keys[4], (STORED, OBSERVATION)),
        terminated=no,
        truncated=no,
        intervened=no,
        weight=jnp.ones(STORED),
        extras={"guide_log_prob": normal(keys[5], (STORED,))},
    )
    learner = SacLagrangian(distillation=authors_distillation())
    state = learner.init(OBSERVATION, ACTION, (size, size), key=keys[0])

    @jax.jit
    def round_of(state, key):
        which, noise = jax.random.split(key)
        rows = jax.random.randint(which, (ROUND, size), 0, STORED)
        batches = jax.tree.map(lambda leaf: leaf[rows], stored)
        noises = normal(noise, (ROUND, 2, size, ACTION))

        def one(state, x):
            batch, (now, after) = x
            return learner.update_with_noise(state, batch, jnp.float32(0.5), now, after)

        return jax.lax.scan(one, state, (batches, (noises[:, 0], noises[:, 1])))[0]

    _repeat(gate, round_of, state, updates)


def products(gate: Gate, *, size: int, updates: int) -> None:
    """The products of such an update and nothing else: the least that any update takes."""
    import jax
    import jax.numpy as jnp

    normal = jax.random.normal
    keys = jax.random.split(jax.random.key(0), 8)
    shapes = ((OBSERVATION, size), (size, size), (size, 2 * ACTION))
    actor = [0.1 * normal(k, shape) for k, shape in zip(keys, shapes, strict=False)]
    critic_shapes = ((3, OBSERVATION + ACTION, size), (3, size, size))
    critics = [0.05 * normal(k, s) for k, s in zip(keys[3:], critic_shapes, strict=False)]
    observations, following = normal(keys[5], (2, ROUND, size, OBSERVATION))
    actions = normal(keys[6], (ROUND, size, ACTION))
    tiny = 1e-12  # the products must be computed, the numbers may not grow

    def act(weights, x):
        first = x @ weights[0]
        second = first @ weights[1]
        return first, second, second @ weights[2]

    def judge(weights, x):
        first = jnp.einsum("bi,kij->kbj", x, weights[0])
        return first, jnp.einsum("kbi,kij->kbj", first, weights[1])

    def one(carry, x):
        actor, critics = carry
        now, after, action = x
        out_after = act(actor, after)[2][:, :ACTION]
        first, second, out = act(actor, now)
        _, goal = judge(critics, jnp.concatenate([after, out_after], 1))
        taken = jnp.concatenate([now, action], 1)
        value_first, value = judge(critics, taken)
        _, acted = judge(critics, jnp.concatenate([now, out[:, :ACTION]], 1))
        error = value - goal
        back = jnp.einsum("kbj,kij->kbi", error, critics[1])
        critic_gradients = (
            jnp.einsum("bi,kbj->kij", taken, back),
            jnp.einsum("kbi,kbj->kij", value_first, error),
        )
        back = jnp.einsum("kbj,kij->kbi", acted, critics[1])
        back = jnp.einsum("kbj,kij->bi", back, critics[0][:, OBSERVATION:])
        back = jnp.concatenate([back, back], 1)
        actor_gradients = [second.T @ back]
        back = back @ actor[2].T
        actor_gradients.insert(0, first.T @ back)
        actor_gradients.insert(0, now.T @ (back @ actor[1].T))
        moved = jax.tree.map(
            lambda w, g: w + tiny * g, (actor, critics), (actor_gradients, list(critic_gradients))
        )
        return moved, None

    @jax.jit
    def round_of(carry, key):
        return jax.lax.scan(one, carry, (observations, following, actions))[0]

    _repeat(gate, round_of, (actor, critics), updates)


def _repeat(gate: Gate, round_of, state, updates: int) -> None:
    import jax

    keys = jax.random.split(jax.random.key(1), updates // ROUND)
    state = jax.block_until_ready(round_of(state, keys[0]))
    while True:
        gate()
        for key in keys:
            state = round_of(state, key)
        jax.block_until_ready(state)


def peer(gate: Gate, *, size: int, updates: int) -> None:
    """stable-baselines3's SAC, with a replay of the same size."""
    import gymnasium
    import numpy as np
    import torch
    from stable_baselines3 import SAC
    from stable_baselines3.common.logger import Logger

    torch.set_num_threads(1)

    class Nothing(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATION,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (ACTION,), np.float32)

    model = SAC(
        "MlpPolicy",
        Nothing(),
        batch_size=size,
        buffer_size=STORED,
        policy_kwargs={"net_arch": [size, size]},
        seed=0,
        device="cpu",
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    rng = np.random.default_rng(0)
    for _ in range(STORED):
        now, after = rng.normal(size=(2, 1, OBSERVATION)).astype(np.float32)
        action = np.tanh(rng.normal(size=(1, ACTION))).astype(np.float32)
        reward, done = rng.normal(size=1), np.zeros(1)
        model.replay_buffer.add(now, after, action, reward, done, [{}])
    model.train(gradient_steps=10, batch_size=size)
    while True:
        gate()
        model.train(gradient_steps=updates, batch_size=size)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--size", nargs="+", type=int, default=[32, 64, 256])
    parser.add_argument("--no-peer", action="store_true", help="without stable-baselines3")
    options = parser.parse_args()
    repeats = options.repeats or (2 if options.quick else 9)
    sheet = Sheet(
        "sac-update",
        quick=options.quick,
        settings={
            "observation": OBSERVATION,
            "action": ACTION,
            "threads": 1,
            "repeats": repeats,
        },
    )
    for size in options.size:
        # turns of about half a second; the peer is an order of magnitude slower
        few, many = (100, 100) if options.quick else (100, 100 * max(1, 1500 // size))
        contestants = {
            work.__name__: Contestant(work, amount=amount, size=size, updates=amount)
            for work, amount in ((handrail, many), (products, many), (peer, few))
            if not (options.no_peer and work is peer)
        }
        turns = alternate(contestants, repeats)
        row = {f"{name}_us": microseconds(taken) for name, taken in turns.items()}
        row["over_products"] = ratio(turns["handrail"], turns["products"])
        if "peer" in turns:
            row["times_faster_than_peer"] = ratio(turns["peer"], turns["handrail"])
        sheet.add(size=size, **row)
    sheet.write()


if __name__ == "__main__":
    main()
