"""Recorded PyTorch parameters in our layouts, and back."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np


def drawn(seed: int, scale: float, order) -> dict[str, np.ndarray]:
    """The oracle's recipe: per tensor uniform ±scale/sqrt(fan), a bias with its weight's fan."""
    rng = np.random.RandomState(int(seed))
    parameters, fan = {}, None
    for entry in order:
        name, dims = str(entry).split(":")
        shape = tuple(int(n) for n in dims.split("x"))
        fan = fan if name.endswith("bias") else math.prod(shape[1:])
        bound = float(scale) / math.sqrt(fan)
        parameters[name] = rng.uniform(-bound, bound, size=shape).astype(np.float32)
    return parameters


def conv(weight):  # (out, in, h, w) -> (out, h, w, in)
    return weight.transpose(0, 2, 3, 1)


def deconv(weight):  # (in, out, h, w) -> (out, h, w, in)
    return weight.transpose(1, 2, 3, 0)


def columns_last(weight, channels, side):  # columns (c, h, w) -> (h, w, c)
    return weight.reshape(-1, channels, side, side).transpose(0, 2, 3, 1).reshape(weight.shape)


def rows_last(weight, channels, side):  # rows (c, h, w) -> (h, w, c), also of a bias
    return np.ascontiguousarray(
        np.moveaxis(weight.reshape(channels, side, side, *weight.shape[1:]), 0, 2)
    ).reshape(weight.shape)


NATURE = [
    ("network.0", lambda n: n.convs[0], conv),
    ("network.2", lambda n: n.convs[1], conv),
    ("network.4", lambda n: n.convs[2], conv),
    ("network.7", lambda n: n.hidden, lambda w: columns_last(w, 64, 7)),
    ("network.9", lambda n: n.out, lambda w: w),
]
ENCODER = [
    *((f"convs.{i}", lambda n, i=i: n.convs[i], conv) for i in range(4)),
    ("fc", lambda n: n.project, lambda w: columns_last(w, 32, 35)),
]
DECODER = [
    ("fc", lambda n: n.expand, lambda w: rows_last(w, 32, 35)),
    *((f"deconvs.{i}", lambda n, i=i: n.deconvs[i], deconv) for i in range(4)),
]
MLP = [(f"network.{2 * i}", lambda n, i=i: n.layers[i], lambda w: w) for i in range(3)]
VAE_HEADS = [
    ("fc_mu", lambda n: n.mean, lambda w: w),
    ("fc_var", lambda n: n.log_variance, lambda w: w),
]
VAE = [(name, lambda n, w=where: w(n.body), convert) for name, where, convert in ENCODER]
VAE += VAE_HEADS


def load(network, parameters: dict[str, np.ndarray], layout):
    """The network with recorded parameters."""
    for name, where, convert in layout:
        weight = jnp.asarray(convert(parameters[f"{name}.weight"]))
        bias = parameters[f"{name}.bias"]
        if layout is DECODER and name == "fc":
            bias = rows_last(bias, 32, 35)
        pair = (weight, jnp.asarray(bias))
        network = eqx.tree_at(lambda n, w=where: (w(n).weight, w(n).bias), network, pair)
    return network


def flat(network, shapes: dict[str, tuple], layout) -> dict[str, np.ndarray]:
    """A network-shaped tree (parameters or gradients) as PyTorch's flattened tensors."""
    out = {}
    for name, where, convert in layout:
        shape = shapes[f"{name}.weight"]
        order = convert(np.arange(math.prod(shape)).reshape(shape))
        ours = np.asarray(where(network).weight)
        back = np.empty(math.prod(shape), ours.dtype)
        back[order.reshape(-1)] = ours.reshape(-1)
        out[f"{name}.weight"] = back
        bias = np.asarray(where(network).bias)
        if layout is DECODER and name == "fc":
            back = np.empty_like(bias)
            back[rows_last(np.arange(bias.size), 32, 35)] = bias
            bias = back
        out[f"{name}.bias"] = bias
    return out
