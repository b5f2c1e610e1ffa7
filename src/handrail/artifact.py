"""Knowledge that travels: one safetensors file with a JSON card in its metadata.

Files from others are data: nothing in them is executed, and kind, specification, shapes
and checksum are verified before an array is used.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handrail.errors import HandrailError
from handrail.files import atomic

SCHEMA = 1
KINDS = {
    "policy": "a policy: what an agent has learnt to do",
    "prior": "a prior: which actions are bad, learnt from source tasks",
    "encoder": "an encoder: embeds observations so that distances tell how near danger is",
    "guide": "a guide: a safe policy, and what it expects an action to cost",
    "expert": "an expert: a policy that has learnt in the target itself",
    "transitions": "transitions: steps of a source, for students to learn costs from",
    "checkpoint": "a checkpoint of a run",
}
"""What an artefact may be, in words for readers."""
WHOLE = "observation"  # what a card calls an observation without named parts
# By schema version, what makes a card of it one of the next version: cards of versions from
# which a chain leads to SCHEMA are migrated when they are read, all others are refused by name.
MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


@dataclasses.dataclass(frozen=True)
class Card:
    """What an artefact is, in words a reader and a checker can use."""

    kind: str
    """One of `KINDS`."""
    spec: dict[str, Any]
    """What it fits: observation (name, shape, dtype, view) and actions."""
    network: dict[str, Any]
    """What is needed to rebuild the network (such as layer sizes)."""
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    """How it came about: tasks, steps, returns, cost-returns, seed, settings."""
    library: str = ""
    """The version of handrail that wrote it."""
    schema: int = SCHEMA
    """Version of this layout."""
    checksum: str = ""
    """SHA-256 over names, dtypes, shapes and bytes of the arrays."""


def checksum(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def part_shapes(observation: Any) -> dict[str, list[int]]:
    """Names and shapes of an observation's parts, as a card states them."""
    named = observation if isinstance(observation, Mapping) else {WHOLE: observation}
    return {name: list(np.shape(part)) for name, part in sorted(named.items())}


def named_arrays(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a pytree by their path, such as `layers[0].weight`."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    return {_name(path): _to_numpy(leaf) for path, leaf in leaves}


def fill(template: Any, arrays: dict[str, np.ndarray], *, source: str) -> Any:
    """`template` with its arrays replaced by name; shapes and dtypes must agree."""
    dynamic, static = eqx.partition(template, eqx.is_array)
    leaves, structure = jax.tree_util.tree_flatten_with_path(dynamic)
    expected = {_name(path): leaf for path, leaf in leaves}
    _same_names(expected.keys(), arrays.keys(), source)
    filled = []
    for name, leaf in expected.items():
        array, wanted = arrays[name], _to_numpy(leaf)
        if array.shape != wanted.shape or array.dtype != wanted.dtype:
            raise HandrailError(
                f"{source}: array {name!r} is {array.dtype}{list(array.shape)}, "
                f"expected {wanted.dtype}{list(wanted.shape)}"
            )
        filled.append(_from_numpy(array, leaf))
    return eqx.combine(jax.tree_util.tree_unflatten(structure, filled), static)


def save(path: Path, card: Card, tree: Any) -> None:
    """Writes the arrays of `tree` and the card, atomically."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    if card.kind not in KINDS:
        raise HandrailError(f"unknown artefact kind {card.kind!r}: known are {', '.join(KINDS)}")
    arrays = tree if isinstance(tree, dict) and _all_numpy(tree) else named_arrays(tree)
    # safetensors copies memory as it lies, which scrambles a transposed view
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    card = dataclasses.replace(card, checksum=checksum(arrays), library=_version())
    metadata = {"handrail": json.dumps(dataclasses.asdict(card), sort_keys=True)}
    with atomic(Path(path)) as temporary:
        try:
            save_file(arrays, temporary, metadata=metadata)
        except SafetensorError as error:  # its own word for a full disk
            raise HandrailError(f"cannot write {path}: {error}") from None


def load(
    path: Path, *, expect: str | None = None, spec: dict[str, Any] | None = None
) -> tuple[Card, dict[str, np.ndarray]]:
    """Reads a card and its arrays; refuses what is damaged or does not fit.

    `expect` is the kind that is needed and `spec` the specification that it must fit; only
    the entries named in `spec` are compared.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise HandrailError(f"{path} does not exist; expected a handrail artefact (.safetensors)")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        # TypeError and KeyError: an intact file with a dtype that NumPy does not have
        raise HandrailError(f"{path} is damaged or not a safetensors file: {error}") from None
    card = _read_card(path, metadata)
    if checksum(arrays) != card.checksum:
        raise HandrailError(f"{path} is damaged: its arrays do not match the card's checksum")
    if expect is not None and card.kind != expect:
        raise HandrailError(f"{path} holds a {card.kind}, expected a {expect}")
    for name, wanted in (spec or {}).items():
        if card.spec.get(name) != wanted:
            raise HandrailError(
                f"{path} does not fit: its {name} is {card.spec.get(name)!r}, expected {wanted!r}"
            )
    return card, arrays


def widths(card: Card, name: str, *, source: str) -> tuple[int, ...]:
    """The layer widths that a card's network names; refuses a card without them."""
    value = card.network.get(name)
    if not isinstance(value, list) or not all(type(w) is int and w > 0 for w in value):
        raise HandrailError(
            f"{source}: the card's network has {name} = {value!r}, expected a list of widths"
        )
    return tuple(value)


def number(value: Any, what: str) -> float:
    """A number out of a card; `what` names it in the error."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise HandrailError(f"{what} is {value!r}, expected a number")
    return float(value)


def _read_card(path: Path, metadata: dict[str, str]) -> Card:
    try:
        values = json.loads(metadata["handrail"])
        card = Card(**_migrated(path, values, values["schema"]))
    except (KeyError, TypeError, json.JSONDecodeError, RecursionError):
        raise HandrailError(f"{path} has no readable handrail card") from None
    if not all(isinstance(part, dict) for part in (card.spec, card.network, card.training)):
        raise HandrailError(f"{path} has no readable handrail card")
    if card.kind not in KINDS:
        raise HandrailError(f"{path}: unknown kind {card.kind!r}; known are {', '.join(KINDS)}")
    return card


def _migrated(path: Path, values: dict[str, Any], schema: Any) -> dict[str, Any]:
    """A card's values in the current schema; `schema` is the one they were written in."""
    while schema != SCHEMA:
        if schema not in MIGRATIONS:
            newer = type(schema) is int and schema > SCHEMA
            fix = "upgrade handrail" if newer else "save it again with this version"
            raise HandrailError(
                f"{path} has schema version {schema}, this version of handrail reads {SCHEMA}: "
                f"{fix} (the file was written by handrail {values.get('library') or 'unknown'})"
            )
        values = MIGRATIONS[schema](values)
        if values["schema"] == schema:
            raise AssertionError(f"the migration of schema {schema} leads nowhere")
        schema = values["schema"]
    return values


def _same_names(expected, found, source: str) -> None:
    missing, foreign = sorted(expected - found), sorted(found - expected)
    if missing or foreign:
        raise HandrailError(
            f"{source}: arrays missing {missing or 'none'}, extra {foreign or 'none'}"
        )


def _name(path) -> str:
    return jax.tree_util.keystr(path).lstrip(".")


def _to_numpy(leaf) -> np.ndarray:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return np.asarray(jax.random.key_data(leaf))
    return np.asarray(leaf)


def _from_numpy(array: np.ndarray, like) -> jax.Array | np.ndarray:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.asarray(array))
    if isinstance(like, np.ndarray):  # such as the float64 of a simulator, which JAX would shorten
        return array
    return jnp.asarray(array)


def _all_numpy(tree: dict) -> bool:
    return all(isinstance(value, np.ndarray) for value in tree.values())


def _version() -> str:
    from importlib.metadata import version

    return version("handrail")
