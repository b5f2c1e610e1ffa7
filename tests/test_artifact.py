"""Artefacts: what is written reads back; what is damaged or does not fit is refused by name."""

import dataclasses
import json
import struct

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from handrail.core import artifact
from handrail.core.artifact import Card, checksum, fill, load, named_arrays, save
from handrail.core.artifact_schemas import checksum as card_checksum
from handrail.core.errors import HandrailError
from handrail.networks.mlp import MLP

SPEC = {"view": "symbolic", "shape": [567], "actions": 7}
CARD = Card("prior", spec=SPEC, network={"hidden": [4]}, training={"steps": 10})


class Everything(eqx.Module):
    """Leaves of every kind that a run's state has."""

    network: MLP
    key: jax.Array
    flag: jax.Array
    count: jax.Array
    none_stored: jax.Array
    nested: dict
    name: str = eqx.field(static=True, default="kept")


def everything(seed: int) -> Everything:
    key = jax.random.key(seed)
    return Everything(
        network=MLP((3, 4, 2), key=key),
        key=jax.random.fold_in(key, 1),
        flag=jnp.array(bool(seed % 2)),
        count=jnp.int32(seed),
        none_stored=jnp.full((0, 5), seed, jnp.float32),
        nested={"a": (jnp.arange(3) + seed, jnp.uint8(seed)), "b/c": jnp.ones((2, 2)) * seed},
    )


def assert_equal(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "prior.safetensors"
    save(path, CARD, MLP((567, 4, 7), key=jax.random.key(0)))
    return path


def header_of(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def rewrite(path, **changes):
    """The file with other entries in its card, and the checksum that belongs to them.

    By default of schema 1, whose checksum leaves the card out.
    """
    header, body = header_of(path)
    card = json.loads(header["__metadata__"]["handrail"]) | {"schema": 1} | changes
    arrays = load_file(path)
    old = type(card["schema"]) is int and card["schema"] < 2
    own = checksum(arrays) if old else card_checksum(card, arrays)
    header["__metadata__"]["handrail"] = json.dumps({**card, "checksum": own})
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_a_state_reads_back_leaf_by_leaf(tmp_path):
    state, path = everything(5), tmp_path / "deep" / "state.safetensors"
    save(path, Card("checkpoint", spec={}, network={}), state)
    card, arrays = load(path, expect="checkpoint")
    assert card.kind == "checkpoint"
    assert_equal(fill(everything(2), arrays, source="state"), state)


def test_equal_states_give_equal_bytes(tmp_path):
    save(tmp_path / "a", CARD, everything(1))
    save(tmp_path / "b", CARD, everything(1))
    save(tmp_path / "c", CARD, everything(2))
    first, second, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == second != other


def test_arrays_that_are_not_contiguous_keep_their_values(tmp_path):
    """safetensors copies bytes, so a transposed view must not come back scrambled."""
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    save(tmp_path / "x", CARD, {"t": matrix.T, "every other": matrix[:, ::2]})
    _, arrays = load(tmp_path / "x")
    np.testing.assert_array_equal(arrays["t"], matrix.T)
    np.testing.assert_array_equal(arrays["every other"], matrix[:, ::2])


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_a_truncated_file_is_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(HandrailError, match="damaged or not a safetensors file"):
        load(path)


def test_missing_and_folder_are_refused(tmp_path):
    said = {"none.safetensors": "does not exist; expected a handrail artefact", ".": "is a folder"}
    for path, message in ((tmp_path / name, message) for name, message in said.items()):
        with pytest.raises(HandrailError, match=message):
            load(path)


def test_a_wrong_kind_names_both(path):
    with pytest.raises(HandrailError, match="holds a prior, expected an encoder"):
        load(path, expect="encoder")


@pytest.mark.parametrize("wanted", [{"view": "pixels"}, {"shape": [84, 84, 3]}, {"actions": 4}])
def test_another_specification_names_both_sides(path, wanted):
    (name,) = wanted
    with pytest.raises(HandrailError, match=f"does not fit: its {name} is .* expected"):
        load(path, spec=SPEC | wanted)


def test_only_named_entries_are_compared(path):
    assert load(path, spec={"actions": 7})[0].spec == SPEC


def test_a_later_schema_is_refused(path):
    rewrite(path, schema=3)
    text = "schema version 3, this version of handrail reads 2: upgrade handrail"
    with pytest.raises(HandrailError, match=text):
        load(path)


def test_an_earlier_schema_is_migrated_or_refused_by_name(path, monkeypatch):
    """There is no schema before 1: this test makes one up."""
    rewrite(path, schema=0, library="0.0.1")
    with pytest.raises(HandrailError, match=r"schema version 0.*save it again.*handrail 0\.0\.1"):
        load(path)

    def to_1(card):
        fits = card["spec"] | {"migrated": True}
        return card | {"spec": fits, "schema": 1}

    monkeypatch.setattr(artifact, "MIGRATIONS", {**artifact.MIGRATIONS, 0: to_1})
    card, _ = load(path, expect="prior", spec=SPEC)
    assert (card.schema, card.spec) == (2, SPEC | {"migrated": True})
    rewrite(path, schema=-1)
    with pytest.raises(HandrailError, match="schema version -1"):
        load(path)


def test_migrations_are_chained(path, monkeypatch):
    rewrite(path, schema=-1)
    chain = {n: lambda card: card | {"schema": card["schema"] + 1} for n in (-1, 0, 1)}
    monkeypatch.setattr(artifact, "MIGRATIONS", chain)
    assert load(path)[0].schema == 2


def test_a_migrated_card_is_checked_like_any_other(path, monkeypatch):
    rewrite(path, schema=0)
    monkeypatch.setattr(artifact, "MIGRATIONS", {0: lambda card: {**card, "schema": 2, "spec": 5}})
    with pytest.raises(HandrailError, match="no readable handrail card"):
        load(path)


@pytest.mark.parametrize(
    "changes",
    [{"kind": "horse"}, {"unheard_of": 1}, {"spec": 5}, {"network": [1]}, {"training": "x"}],
)
def test_a_card_that_makes_no_sense_is_refused(path, changes):
    rewrite(path, **changes)
    with pytest.raises(HandrailError, match=r"unknown kind|no readable handrail card"):
        load(path)


@pytest.mark.parametrize("metadata", [None, {}, {"handrail": "{"}, {"handrail": "[1]"},
                                      {"handrail": "[" * 100_000}])  # fmt: skip
def test_a_file_of_others_is_refused(tmp_path, metadata):
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "x", metadata=metadata)
    with pytest.raises(HandrailError, match="no readable handrail card"):
        load(tmp_path / "x")


def test_a_dtype_that_numpy_lacks_is_refused(path):
    header, body = header_of(path)
    header["layers[0].bias"] |= {"dtype": "BF16", "shape": [8]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    with pytest.raises(HandrailError, match="damaged"):
        load(path)


def test_an_unknown_kind_is_not_written(tmp_path):
    with pytest.raises(HandrailError, match="unknown artefact kind 'horse'"):
        save(tmp_path / "x", dataclasses.replace(CARD, kind="horse"), {})
    assert not list(tmp_path.iterdir())


def test_missing_extra_and_misshapen_arrays_are_named():
    template, arrays = MLP((3, 4, 2), key=jax.random.key(0)), {}
    arrays = named_arrays(template)
    bias = arrays["layers[1].bias"]
    without = {name: array for name, array in arrays.items() if name != "layers[1].bias"}
    for given_arrays, message in (
        (without, r"missing \['layers\[1\].bias'\], extra none"),
        (arrays | {"more": bias}, r"missing none, extra \['more'\]"),
        (arrays | {"layers[1].bias": bias[:1]}, r"is float32\[1\], expected float32\[2\]"),
        (arrays | {"layers[1].bias": bias.astype(np.float64)}, "is float64.*expected float32"),
    ):
        with pytest.raises(HandrailError, match=f"file: .*{message}"):
            fill(template, given_arrays, source="file")
