"""Times of the convolutional networks: distinct windows, batches, XLA's own convolutions.

    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" \
        python benchmarks/patches.py

Prints milliseconds of processor time, the least of several runs, each of several iterations
inside one compiled loop (as in training, where memory is allocated once).
"""

import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from handrail.envs.lava import make_lava
from handrail.learners.representation.autoencoder import AutoencoderLearner
from handrail.networks.autoencoder import Autoencoder
from handrail.networks.patches import (
    ENCODER_WINDOWS,
    PatchTable,
    _gather,
    all_values,
)
from handrail.networks.pixels import NatureQ, PixelDecoder, PixelEncoder

BATCH = 128


def milliseconds(step, carry, *args, loops: int = 5, runs: int = 4) -> float:
    """Of one `carry = step(carry, *args)` in a compiled loop, or by itself if `loops` is 0."""

    @eqx.filter_jit
    def run(carry, *args):
        if loops == 0:
            return step(carry, *args)
        return jax.lax.fori_loop(0, loops, lambda _, c: step(c, *args), carry)

    jax.block_until_ready(run(carry, *args))
    taken = []
    for _ in range(runs):
        start = time.process_time()
        jax.block_until_ready(run(carry, *args))
        taken.append(time.process_time() - start)
    return min(taken) / max(loops, 1) * 1e3


def row(name: str, value: float) -> None:
    print(f"{name:58s} {value:8.2f} ms", flush=True)


def forward(evaluate):
    """A step that needs every value but changes the network only a little."""

    def step(network, *args):
        nudge = 1e-9 * jnp.sum(evaluate(network, *args))
        bias = network.convs[0].bias
        return eqx.tree_at(lambda n: n.convs[0].bias, network, bias + nudge)

    return step


def backward(evaluate):
    """Forward, backward with a dense cotangent, and a step along the gradient."""

    def step(network, *args):
        values, pullback = eqx.filter_vjp(lambda n: evaluate(n, *args), network)
        (gradient,) = pullback(jnp.cos(values))
        return jax.tree.map(lambda p, g: p - 1e-6 * g, network, gradient)

    return step


def with_xla(network, frames):
    """NatureQ's features by XLA's convolution."""
    x = network.normalise(frames)
    for conv in network.convs:
        numbers = ("NHWC", "OHWI", "NHWC")
        strides = (conv.stride, conv.stride)
        x = jax.lax.conv_general_dilated(
            x, conv.weight, strides, "VALID", dimension_numbers=numbers
        )
        x = jax.nn.relu(x + conv.bias)
    return jax.vmap(network.head)(x.reshape(len(frames), -1))


def layout(name: str) -> None:
    """Every frame of one layout."""
    observations = make_lava(name, observation="pixels", layout=123).observations
    frames = np.asarray(observations.frames)[: observations.live]
    q, encoder = NatureQ(7, key=jax.random.key(0)), PixelEncoder(key=jax.random.key(1))
    start = time.process_time()
    table = PatchTable.compile(frames)
    compiling = (time.process_time() - start) * 1e3
    print(f"{name}: {len(frames)} frames, distinct windows {table.distinct}")
    row("compile the table (host)", compiling)
    row("NatureQ on all frames: forward", milliseconds(forward(all_values), q, table))
    row("NatureQ on all frames: forward and backward", milliseconds(backward(all_values), q, table))
    optimiser = optax.adam(2.5e-4)

    def learn(carry, table):
        network, state = carry
        values, pullback = eqx.filter_vjp(lambda n: all_values(n, table), network)
        updates, state = optimiser.update(pullback(jnp.cos(values))[0], state)
        return eqx.apply_updates(network, updates), state

    row("  the same and Adam", milliseconds(learn, (q, optimiser.init(q)), table))
    rows = jnp.ones((table.distinct[1], 64))
    for label, source, index in (
        ("  gather 1→2", jnp.ones((table.distinct[0], 32)), table.gathers[0]),
        ("  gather 2→3", rows, table.gathers[1]),
        ("  gather 3→dense", jnp.ones((table.distinct[2], 64)), table.places),
    ):
        both = milliseconds(
            lambda x, i: jax.vjp(lambda x: _gather(x, i), x)[1](_gather(x, i))[0] * 1e-9 + 1,
            source,
            index,
        )
        row(f"{label} and its scatter", both)
    every = jnp.asarray(frames)
    naive = milliseconds(backward(lambda n, f: n.batch(f)), q, every, loops=2)
    row("NatureQ frame by frame: forward and backward", naive)
    windows = PatchTable.compile(frames, ENCODER_WINDOWS)
    print(f"encoder: distinct windows {windows.distinct}")
    row("encoder on all frames: forward", milliseconds(forward(all_values), encoder, windows))
    row("encoder: forward and backward", milliseconds(backward(all_values), encoder, windows))


def batches() -> None:
    """Random batches, as from a pool of layouts."""
    frames = np.random.default_rng(0).integers(0, 256, (BATCH, 84, 84, 3)).astype(np.uint8)
    frames = jnp.asarray(frames)
    q = NatureQ(7, key=jax.random.key(0))
    print(f"batches of {BATCH}")
    for name, evaluate, loops in (
        ("batch", lambda n, f: n.batch(f), 2),
        ("vmap", lambda n, f: jax.vmap(n)(f), 2),
        ("XLA's convolutions, no loop", with_xla, 0),
        # Inside a compiled loop XLA's convolutions take another, far slower path.
        ("XLA's convolutions", with_xla, 1),
    ):
        once = milliseconds(forward(evaluate), q, frames, loops=loops, runs=2)
        row(f"NatureQ forward, {name}", once)
        both = milliseconds(backward(evaluate), q, frames, loops=loops, runs=2)
        row(f"NatureQ forward and backward, {name}", both)

    def make(*, key):
        first, second = jax.random.split(key)
        return Autoencoder(PixelEncoder(key=first), PixelDecoder(key=second))

    learner = AutoencoderLearner(make=make)
    labels = jnp.arange(BATCH) % 2 == 0

    def update(state, frames):
        return learner.update(state, frames, labels, key=jax.random.key(0))[0]

    state = learner.init(jax.random.key(0))
    encoder = state.model.encoder
    both = milliseconds(backward(lambda n, f: n.batch(f)), encoder, frames, loops=2)
    row("pixel encoder forward and backward", both)
    row("contrastive auto-encoder update", milliseconds(update, state, frames, loops=2))


if __name__ == "__main__":
    for name in ("LavaCrossingS9N1", "LavaCrossingS9N3"):
        layout(name)
    batches()
