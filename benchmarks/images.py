"""Training steps a second on images of a Gymnasium environment: handrail against stable-baselines3.

    python -m benchmarks.images [--quick]

Both run their own training loop on the real MiniGrid (LavaCrossingS9N1, drawn at 84 × 84 × 3), in
the same process as the environment, with an update of 128 transitions every 10 steps, once
learning: handrail's host loop, and stable-baselines3's `DQN.learn` with `CnnPolicy`. Network,
batch, optimiser's rate and exploration are the same. handrail runs twice: with the peer's update
(plain DQN, uniform replay), which is what the target is for, and with the default of
`handrail.train_dqn` (double DQN, prioritized replay), which has one more pass through the network.
Needs `pip install -e '.[peers]'`.
"""

import dataclasses

from benchmarks.common import Contestant, Gate, Sheet, alternate, arguments, per_second, ratio
from benchmarks.lava_training import EPSILON, LAYOUT, peer
from handrail.methods.contrastive.settings import QLearning

TARGET = 0.8
LEARNING = QLearning(learning_starts=200)
UPDATES = {
    "the peer's": dataclasses.replace(LEARNING, operator="max", prioritized=False),
    "the default": LEARNING,
}


def own(gate: Gate, *, steps: int, update: str) -> None:
    """handrail's host loop on the environment as others have it."""
    import jax

    from benchmarks.minigrid_peer import make_minigrid
    from handrail.envs.gymnasium.host import GymnasiumHost
    from handrail.interventions.recipes import none
    from handrail.methods.contrastive.agents import q_learner
    from handrail.methods.contrastive.on_host import host_problem
    from handrail.train.host import HostLoop

    env = make_minigrid("LavaCrossingS9N1", "pixels", LAYOUT)
    host = GymnasiumHost(env, lambda *step: 0.0)
    problem = host_problem("minigrid", host, host.observation_zeros(), lambda key: None)
    learning = dataclasses.replace(UPDATES[update], epsilon_end=EPSILON, epsilon_fraction=1e-5)
    loop = HostLoop(host, q_learner(problem, learning), none(), 100_000_000)
    state, *_ = loop.blocks(loop.init(key=jax.random.key(0)), 30, learn=False)
    state, *_ = loop.blocks(state, 10, learn=True)
    while True:
        gate()
        state, *_ = loop.blocks(state, steps // learning.train_every, learn=True)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--threads", nargs="+", choices=["one", "default"], default=["one"])
    options = parser.parse_args()
    repeats = options.repeats or (2 if options.quick else 7)
    steps = 50 if options.quick else 300
    sheet = Sheet(
        "images",
        quick=options.quick,
        settings={
            "environment": "MiniGrid-LavaCrossingS9N1-v0, 84 × 84 × 3 bytes",
            "layout": LAYOUT,
            "learning": dataclasses.asdict(LEARNING),
            "exploration rate": EPSILON,
            "steps per turn": steps,
            "target": TARGET,
            "repeats": repeats,
        },
    )
    for threads in options.threads:
        single = threads == "one"
        common = {"amount": steps, "steps": steps, "threads": 1 if single else None}
        ours = {update: Contestant(own, update=update, **common) for update in UPDATES}
        peers = {"peer": Contestant(peer, observation="pixels", single=single, **common)}
        turns = alternate(ours | peers, repeats)
        for update in UPDATES:
            sheet.add(
                threads=threads,
                update=update,
                handrail_steps_per_s=per_second(turns[update]),
                peer_steps_per_s=per_second(turns["peer"]),
                times_faster=ratio(turns["peer"], turns[update]),
                target=TARGET,
            )
    sheet.write()


if __name__ == "__main__":
    main()
