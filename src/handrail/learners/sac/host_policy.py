"""Policies in NumPy: acting by itself takes less on the host than one call on the device.

For small networks and one observation at a time, as in tests of a policy in MuJoCo.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from handrail.core.informed import informed
from handrail.core.types import Observation
from handrail.learners.sac.networks import OnVectors
from handrail.networks.gaussian import LOG_STD_MAX, LOG_STD_MIN
from handrail.networks.mlp import Linear


class HostPolicy:
    """What `OnVectors` computes, from NumPy observations, in float32."""

    def __init__(self, policy: OnVectors):
        inner, self._view = policy.policy, policy.view
        self._read = None if inner.inputs is None else inner.inputs.reader(np)
        self._trunk = [_weights(layer) for layer in inner.trunk]
        # both heads read the same features: one product
        heads = [_weights(head) for head in (inner.mean, inner.log_std)]
        self._heads = tuple(np.concatenate(parts, axis=-1) for parts in zip(*heads, strict=True))
        self.actions = len(heads[0][1])

    def __call__(self, observation: Observation) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation before the squash, of one observation."""
        seen = observation if self._view is None else self._view(observation)
        features = _vector(seen)
        if self._read is not None:
            features = self._read(features)
        for weight, bias in self._trunk:
            features = np.maximum(features @ weight + bias, 0)
        weight, bias = self._heads
        both = features @ weight + bias
        log_std = np.clip(both[self.actions :], LOG_STD_MIN, LOG_STD_MAX)
        return both[: self.actions], np.exp(log_std)

    def act(self, observation: Observation, noise: np.ndarray) -> np.ndarray:
        """The action for standard normal `noise`, in (−1, 1)."""
        mean, deviation = self(observation)
        return np.tanh(mean + noise * deviation)


class HostValues:
    """What a network of action values gives, from NumPy observations, in float32.

    It has an `mlp`, and may have `inputs` of what that reads of an observation's vector.
    """

    def __init__(self, network: Any):
        mlp, inputs = network.mlp, getattr(network, "inputs", None)
        self._read = None if inputs is None else inputs.reader(np)
        self._hidden = [_weights(layer) for layer in mlp.layers[:-1]]
        self._last = _weights(mlp.layers[-1])

    def __call__(self, observation: Observation) -> np.ndarray:
        """The value of each action in one observation."""
        features = _vector(observation)
        if self._read is not None:
            features = self._read(features)
        for weight, bias in self._hidden:
            features = np.maximum(features @ weight + bias, 0)
        weight, bias = self._last
        return features @ weight + bias


def best_allowed(values: Callable[[Observation], np.ndarray], observation: Observation) -> np.intp:
    """The action of the highest value in an observation, among those that its mask allows."""
    seen = informed(observation)
    of_actions = values(seen.observation)
    if seen.allowed is not None:
        of_actions = np.where(seen.allowed, of_actions, -np.inf)
    return np.argmax(of_actions)


def _vector(observation: Observation) -> np.ndarray:
    """An observation's parts side by side; those of a dictionary in the order of their names."""
    parts = [np.ravel(part) for part in jax.tree.leaves(observation)]
    return np.concatenate(parts, dtype=np.float32)


def _weights(layer: Linear) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(np.asarray(layer.weight).T), np.asarray(layer.bias)
