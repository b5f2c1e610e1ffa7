"""Knowledge that travels: one safetensors file with a JSON card in its metadata.

Files from others are data: nothing in them is executed, and kind, specification, shapes,
checksum and finite numbers are verified before an array is used.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from handrail.core.artifact_arrays import check_finite, check_layers, checksum, read
from handrail.core.artifact_schemas import LAST_OF_ARRAYS, from_1
from handrail.core.artifact_schemas import checksum as card_checksum
from handrail.core.errors import HandrailError
from handrail.core.files import atomic
from handrail.core.strict_json import numbers, parse, plain_json

SCHEMA = 2
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
MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: from_1}
MOST_LAYERS = 64


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
    """SHA-256 over the rest of the card and the arrays; of files of schema 1 over the arrays."""


def part_shapes(observation: Any) -> dict[str, list[int]]:
    """Names and shapes of an observation's parts, as a card states them."""
    named = observation if isinstance(observation, Mapping) else {WHOLE: observation}
    return {name: list(np.shape(part)) for name, part in sorted(named.items())}


def named_arrays(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a pytree by their path, such as `layers[0].weight`."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(tree, eqx.is_array))
    return {_name(path): _to_numpy(leaf) for path, leaf in leaves}


def fill(template: Any, arrays: dict[str, np.ndarray], *, source: str) -> Any:
    """`template` with its arrays replaced by name; shapes and dtypes must agree.

    A template may be of `eqx.filter_eval_shape`, which computes nothing.
    """
    dynamic, static = eqx.partition(template, _is_shaped)
    leaves, structure = jax.tree_util.tree_flatten_with_path(dynamic)
    expected = {_name(path): leaf for path, leaf in leaves}
    _same_names(expected.keys(), arrays.keys(), source)
    filled = []
    for name, leaf in expected.items():
        array = arrays[name]
        wanted = leaf if isinstance(leaf, jax.ShapeDtypeStruct) else _to_numpy(leaf)
        if array.shape != wanted.shape or array.dtype != wanted.dtype:
            raise HandrailError(
                f"{source}: array {name!r} is {array.dtype}{list(array.shape)}, "
                f"expected {wanted.dtype}{list(wanted.shape)}"
            )
        filled.append(_from_numpy(array, leaf))
    return eqx.combine(jax.tree_util.tree_unflatten(structure, filled), static)


def save(path: Path, card: Card, tree: Any) -> None:
    """Writes the arrays of `tree` and the card, atomically.

    Numbers of `card.training` that are not finite, such as the mean of nothing, are written as
    null. Raises `HandrailError` where a number of the rest of the card is not finite, or one of
    the arrays, but for checkpoints.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    if card.kind not in KINDS:
        raise HandrailError(f"unknown artefact kind {card.kind!r}: known are {', '.join(KINDS)}")
    arrays = tree if isinstance(tree, dict) and _all_numpy(tree) else named_arrays(tree)
    # safetensors copies memory as it lies, which scrambles a transposed view
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    if card.kind != "checkpoint":
        check_finite(arrays, source=f"cannot write {path}")
    card = dataclasses.replace(card, schema=SCHEMA, library=_version(), checksum="")
    values = json.loads(json.dumps(dataclasses.asdict(card)))  # as it will be read
    values["training"] = plain_json(values["training"])
    _check_numbers(values, f"cannot write {path}")
    values["checksum"] = card_checksum(values, arrays)
    metadata = {"handrail": json.dumps(values, sort_keys=True)}
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
    path = Path(path)
    if path.is_dir():
        inside = ", ".join(sorted(found.name for found in path.glob("*.safetensors"))[:8])
        raise HandrailError(f"{path} is a folder; give a file in it ({inside or 'it has none'})")
    if not path.is_file():
        raise HandrailError(f"{path} does not exist; expected a handrail artefact (.safetensors)")
    metadata, arrays = read(path)
    values = _card_values(path, metadata)
    said = _schema(path, values)
    alone = said <= LAST_OF_ARRAYS
    if values.get("checksum") != (checksum(arrays) if alone else card_checksum(values, arrays)):
        what = "its arrays do" if alone else "card and arrays do"
        raise HandrailError(f"{path} is damaged: {what} not match the card's checksum")
    card = _card(path, _migrated(path, values, said))
    if card.kind != "checkpoint":
        check_finite(arrays, source=str(path))
    check_layers(card.network, arrays, source=str(path))
    if expect is not None and card.kind != expect:
        raise HandrailError(f"{path} holds {_one(card.kind)}, expected {_one(expect)}")
    for name, wanted in (spec or {}).items():
        if card.spec.get(name) != wanted:
            raise HandrailError(
                f"{path} does not fit: its {name} is {card.spec.get(name)!r}, expected {wanted!r}"
            )
    return card, arrays


def checksums(files: Mapping[str, Path]) -> dict[str, str]:
    """The checksums of files, by the same names; each is read whole, and refused if damaged."""
    return {name: load(path)[0].checksum for name, path in files.items()}


def widths(card: Card, name: str, *, source: str) -> tuple[int, ...]:
    """The layer widths that a card's network names; refuses a card without them."""
    value = card.network.get(name)
    if (
        not isinstance(value, list)
        or len(value) > MOST_LAYERS
        or not all(type(w) is int and w > 0 for w in value)
    ):
        raise HandrailError(
            f"{source}: the card's network has {name} = {value!r}, expected a list of at most "
            f"{MOST_LAYERS} widths"
        )
    return tuple(value)


def number(value: Any, what: str, *, least: float = -math.inf, most: float = math.inf) -> float:
    """A number out of a card, from `least` to `most`; `what` names it in the error.

    It must be one that float32 has, since networks compute with it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise HandrailError(f"{what} is {value!r}, expected a number")
    if not abs(value) <= float(np.finfo(np.float32).max):
        raise HandrailError(f"{what} is {value!r}, expected a finite number")
    if not least <= value <= most:
        bounds = f"at least {least:g}" if most == math.inf else f"one from {least:g} to {most:g}"
        raise HandrailError(f"{what} is {value!r}, expected {bounds}")
    return float(value)


def _card_values(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """What a file's card says, before anything is made of it."""
    try:
        # schema 1 wrote NaN; in later ones it is found by `_check_numbers`
        values = parse(metadata["handrail"], constant=float)
    except (KeyError, ValueError) as error:
        reason = f": {error}" if isinstance(error, ValueError) else ""
        raise HandrailError(f"{path} has no readable handrail card{reason}") from None
    if not isinstance(values, dict):
        raise HandrailError(f"{path} has no readable handrail card: it is no JSON object")
    return values


def _schema(path: Path, values: dict[str, Any]) -> int:
    """The schema that a card was written in, of which it can be read."""
    schema = values.get("schema")
    if type(schema) is not int:
        raise HandrailError(f"{path} has no readable handrail card: its schema is {schema!r}")
    if schema != SCHEMA and schema not in MIGRATIONS:
        fix = "upgrade handrail" if schema > SCHEMA else "save it again with this version"
        raise HandrailError(
            f"{path} has schema version {schema}, this version of handrail reads {SCHEMA}: {fix} "
            f"(the file was written by handrail {values.get('library') or 'unknown'})"
        )
    return schema


def _card(path: Path, values: dict[str, Any]) -> Card:
    """A card of the current schema; refuses other entries, and entries of other types."""
    fields = {field.name for field in dataclasses.fields(Card)}
    if values.keys() != fields:
        raise HandrailError(
            f"{path} has no readable handrail card: unknown entries "
            f"{sorted(values.keys() - fields) or 'none'}, missing entries "
            f"{sorted(fields - values.keys()) or 'none'}"
        )
    for names, kind, what in (
        (("spec", "network", "training"), dict, "object"),
        (("kind", "library", "checksum"), str, "text"),
    ):
        for name in names:
            if not isinstance(values[name], kind):
                raise HandrailError(f"{path} has no readable handrail card: {name} is no {what}")
    if values["kind"] not in KINDS:
        raise HandrailError(
            f"{path}: unknown kind {values['kind']!r}; known are {', '.join(KINDS)}"
        )
    _check_numbers(values, str(path))
    return Card(**values)


def _check_numbers(values: dict[str, Any], source: str) -> None:
    for name, value in numbers(values).items():
        if not math.isfinite(value):
            raise HandrailError(f"{source}: the card's {name} is {value}, expected a finite number")


def _migrated(path: Path, values: dict[str, Any], schema: int) -> dict[str, Any]:
    """A card's values in the current schema; `schema` is the one they were written in."""
    while schema != SCHEMA:
        values = MIGRATIONS[schema](values)
        if values["schema"] == schema:
            raise AssertionError(f"the migration of schema {schema} leads nowhere")
        schema = _schema(path, values)
    return values


def _one(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _same_names(expected, found, source: str) -> None:
    missing, foreign = sorted(expected - found), sorted(found - expected)
    if missing or foreign:
        raise HandrailError(
            f"{source}: arrays missing {missing or 'none'}, extra {foreign or 'none'}"
        )


def _name(path) -> str:
    return jax.tree_util.keystr(path).lstrip(".")


def _is_shaped(leaf) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)


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
