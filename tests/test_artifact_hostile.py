"""Files that were damaged or made up: nothing of them is used, and nothing large is built."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from handrail.core.artifact import Card, checksum, load, number, save, widths
from handrail.core.errors import HandrailError

DEEP = json.loads("[" * 80 + "]" * 80)
ARRAYS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.int64([7])}
CARD = Card(
    "guide",
    spec={"actions": 2, "limit": 1.5, "limit_steps": 400, "parts": {"x": [3]}},
    network={"hidden": [2], "inputs": "as they are"},
    training={"evaluation": {"foreseen": 0.25, "exit_cost": 1.0}, "settings": {"discount": 0.97}},
)


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "x.safetensors", CARD, ARRAYS)
    return tmp_path / "x.safetensors"


def of_schema_1(path, arrays=ARRAYS, **changes):
    """A file as earlier versions wrote them; entries may be left out with ..."""
    card = {
        "kind": "guide", "spec": CARD.spec, "network": CARD.network, "training": CARD.training,
        "library": "0.1", "schema": 1, "checksum": checksum(arrays),
    } | changes  # fmt: skip
    card = {name: value for name, value in card.items() if value is not ...}
    save_file(arrays, path, metadata={"handrail": json.dumps(card)})
    return path


def same_meaning(left, right) -> bool:
    (card, arrays), (other, others) = left, right
    return card == other and checksum(arrays) == checksum(others)


@given(st.data())
def test_a_flipped_bit_anywhere_is_found_or_changes_nothing(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "x.safetensors"
    save(path, CARD, ARRAYS)
    raw, before = bytearray(path.read_bytes()), load(path)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    try:
        after = load(path)
    except HandrailError:
        return
    assert same_meaning(before, after)


def test_no_flip_of_the_card_is_read_as_something_else(path):
    """Every byte of the header once: among them are limits, discounts, keys and the schema."""
    raw, before = path.read_bytes(), load(path)
    (length,) = struct.unpack("<Q", raw[:8])
    for place in range(8, 8 + length):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ (1 << place % 7)]) + raw[place + 1 :])
        try:
            after = load(path)
        except HandrailError:
            continue
        assert same_meaning(before, after), place


def test_files_of_schema_1_still_load_with_the_checksum_that_runs_know_them_by(tmp_path):
    card, arrays = load(of_schema_1(tmp_path / "x"), expect="guide")
    assert (card.schema, card.checksum) == (2, checksum(ARRAYS))
    evaluation = {"takeover_cost": 0.25, "exit_cost": 1.0}  # under today's names
    training = CARD.training | {"evaluation": evaluation}
    assert (card.spec, card.network, card.training) == (CARD.spec, CARD.network, training)
    assert checksum(arrays) == checksum(ARRAYS)
    save(tmp_path / "y", card, arrays)
    again = load(tmp_path / "y")[0]
    assert again.checksum != card.checksum and again.spec == card.spec


def test_the_same_arrays_under_another_card_have_another_checksum(tmp_path):
    save(tmp_path / "a", CARD, ARRAYS)
    save(tmp_path / "b", Card("guide", {**CARD.spec, "limit": 9.0}, CARD.network), ARRAYS)
    assert load(tmp_path / "a")[0].checksum != load(tmp_path / "b")[0].checksum


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": ["guide"]}, {"kind": {}}, {"library": 7}, {"schema": [1]}, {"schema": True},
        {"schema": "1"}, {"checksum": 5}, {"training": ...}, {"library": ...}, {"extra": 1},
        {"spec": {"limit": float("nan")}}, {"network": {"x": [float("inf")]}},
        {"training": {"evaluation": {"foreseen": float("nan")}}},
        {"training": {"settings": {"discount": float("-inf")}}},
        {"spec": {"limit": 10**400}}, {"training": {"deep": DEEP}},
        {"network": {"hidden": [30_000, 30_000]}}, {"network": {"hidden": [1] * 20_000}},
        {"network": {"hidden": [10**18]}},
    ],
)  # fmt: skip
def test_a_card_that_makes_no_sense_is_one_error(tmp_path, changes):
    with pytest.raises(HandrailError):
        load(of_schema_1(tmp_path / "x", **changes))


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"a": ' * 5_000, "1" * 5_000, "null",
                                  '{"schema": 1, "schema": 1}', '{"schema": 1e999}'])  # fmt: skip
def test_a_card_that_is_no_json_is_one_error(tmp_path, text):
    save_file(ARRAYS, tmp_path / "x", metadata={"handrail": text})
    with pytest.raises(HandrailError, match="no readable handrail card"):
        load(tmp_path / "x")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["prior", "encoder", "guide", "policy", "expert", "transitions"])
def test_arrays_that_are_not_finite_are_refused_by_name(tmp_path, kind, value):
    arrays = {**ARRAYS, "bad": np.array([0.0, value, 1.0], np.float32)}
    of_schema_1(tmp_path / "x", arrays, kind=kind)
    with pytest.raises(HandrailError, match=r"x: array 'bad' holds 1 of 3 numbers that are not"):
        load(tmp_path / "x")
    with pytest.raises(HandrailError, match=r"cannot write .*array 'bad'"):
        save(tmp_path / "y", Card(kind, {}, {}), arrays)
    assert not (tmp_path / "y").exists()


def test_a_checkpoint_may_hold_any_number(tmp_path):
    save(tmp_path / "x", Card("checkpoint", {}, {}), {"least": np.float32([np.inf, np.nan])})
    assert not np.isfinite(load(tmp_path / "x")[1]["least"]).any()


def test_a_mean_of_nothing_is_null_and_a_limit_that_is_none_is_not_written(tmp_path):
    evaluated = {"exit_cost": float("nan"), "cost": 1.0}
    save(tmp_path / "x", Card("guide", {}, {}, {"evaluation": evaluated}), ARRAYS)
    assert load(tmp_path / "x")[0].training["evaluation"] == {"exit_cost": None, "cost": 1.0}
    of_schema_1(tmp_path / "y", training={"evaluation": evaluated})
    assert load(tmp_path / "y")[0].training["evaluation"] == {"exit_cost": None, "cost": 1.0}
    with pytest.raises(HandrailError, match=r"the card's spec\.limit is nan"):
        save(tmp_path / "z", Card("guide", {"limit": float("nan")}, {}), ARRAYS)


@pytest.mark.parametrize("shape", [(0, 20_000_000), (0, 10**9), (3, 0, 10**15), (10**6, 0)])
def test_a_shape_that_no_byte_stands_for_is_refused(tmp_path, shape):
    of_schema_1(tmp_path / "x", {**ARRAYS, "known": np.zeros((0, 2), np.float32)})
    raw = (tmp_path / "x").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header["known"]["shape"] = shape
    text = json.dumps(header).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])
    with pytest.raises(HandrailError, match=r"array 'known'.*holds no numbers"):
        load(tmp_path / "x")


@pytest.mark.parametrize("length", [2**63, 10**8, 17 * 2**20])
def test_a_header_that_is_too_long_is_refused_unread(tmp_path, length):
    (tmp_path / "x").write_bytes(struct.pack("<Q", length) + b"{" + b" " * 100)
    with pytest.raises(HandrailError, match="damaged or not a safetensors file: a header of"):
        load(tmp_path / "x")


@given(st.binary(max_size=200))
def test_any_bytes_are_one_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "x"
    path.write_bytes(content)
    with pytest.raises(HandrailError, match="damaged"):
        load(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, 10**19, -1, True, "1", None])
def test_a_number_of_a_card_is_finite_and_within_its_bounds(value):
    with pytest.raises(HandrailError, match=r"the limit is .*, expected"):
        number(value, "the limit", least=0, most=10**9)
    assert number(0, "the limit", least=0) == 0.0


def test_layers_are_few():
    card = Card("guide", {}, {"hidden": [1] * 65})
    with pytest.raises(HandrailError, match="expected a list of at most 64 widths"):
        widths(card, "hidden", source="x")
