"""Priors and encoders: what fits is read, what does not is refused by name."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.artifact import Card, load, named_arrays, save
from handrail.core.errors import HandrailError
from handrail.methods.contrastive.artefacts import read_encoder, read_prior
from handrail.methods.contrastive.built import EncoderNetwork, QNetwork
from handrail.methods.contrastive.inputs import TableInputs, VectorInputs, VectorQ
from handrail.methods.contrastive.settings import RepresentationSettings
from handrail.networks.autoencoder import MLPEncoder, VariationalEncoder
from handrail.networks.image_network import ImageNetwork
from handrail.networks.mlp import MLP

KEY = jax.random.key(0)
PRIOR = Card(
    "prior", {"view": "symbolic", "shape": [6], "actions": 7}, {"hidden": [4]}, {"steps": 10}
)
TABLE = {"view": "symbolic", "shape": [3]}
VECTOR = {"view": "named parts", "parts": {"observation": [3]}}


def rows(width=3, view="symbolic"):
    return TableInputs(np.zeros((2, width), np.uint8), 2, view)


def vector(width=3):
    return VectorInputs(np.zeros(width, np.float32))


def an_encoder(path, spec=TABLE, encoder=None, *, unsafe=(5, 2), dtype=np.float32, **network):
    """A file of an encoder from 3 numbers to 2, and its unsafe embeddings."""
    encoder = MLPEncoder((3, 4, 2), key=KEY) if encoder is None else encoder
    card = Card("encoder", spec, {"latent": 2, "hidden": [4], **network})
    known = {} if unsafe is None else {"known": np.ones(unsafe, dtype)}
    save(path, card, {**named_arrays(encoder), **known})
    return path


def test_a_prior_for_another_view_shape_or_number_of_actions_is_refused(tmp_path):
    path = tmp_path / "prior.safetensors"
    save(path, PRIOR, MLP((6, 4, 7), key=KEY))
    assert read_prior(path, rows(6), 7)(jnp.zeros(6)).shape == (7,)
    for inputs, actions, message in (
        (rows(6, "egocentric"), 7, "its view is 'symbolic', expected 'egocentric'"),
        (rows(5), 7, r"its shape is \[6\], expected \[5\]"),
        (rows(6), 3, "its actions is 7, expected 3"),
        (vector(6), 7, "its view is 'symbolic', expected 'named parts'"),
    ):
        with pytest.raises(HandrailError, match=message):
            read_prior(path, inputs, actions)
    with pytest.raises(HandrailError, match="holds a prior, expected an encoder"):
        read_encoder(path, rows(6))


@pytest.mark.parametrize("network", [{}, {"hidden": "wide"}, {"hidden": [-1]}])
def test_a_card_from_which_no_network_can_be_built_is_refused(tmp_path, network):
    card = dataclasses.replace(PRIOR, network=network)
    save(tmp_path / "x", card, MLP((6, 4, 7), key=KEY))
    with pytest.raises(HandrailError):
        read_prior(tmp_path / "x", rows(6), 7)


def test_files_of_both_formats_are_read(tmp_path):
    """Tables name no auto-encoder's kind in older files, vectors never did."""
    for spec, inputs, network in (
        (TABLE, rows(), {"variational": False}), (TABLE, rows(), {}), (VECTOR, vector(), {}),
    ):  # fmt: skip
        found = read_encoder(an_encoder(tmp_path / "x", spec, **network), inputs)
        assert found.unsafe.shape == (5, 2)
        assert found.encoder(jnp.zeros(3)).shape == (2,)
    body = VariationalEncoder(MLPEncoder((3, 4, 2), key=KEY), 2, key=KEY)
    found = read_encoder(an_encoder(tmp_path / "x", TABLE, body, variational=True), rows())
    assert isinstance(found.encoder, VariationalEncoder)
    save(
        tmp_path / "q",
        Card("prior", {**VECTOR, "actions": 2}, {"hidden": [4]}),
        VectorQ.fresh(3, (4,), 2, key=KEY),
    )
    assert read_prior(tmp_path / "q", vector(), 2)(jnp.zeros(3)).shape == (2,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unsafe": None}, "unsafe embeddings.* missing"),
        ({"unsafe": (2,)}, "missing or no table"),
        ({"unsafe": (5, 3)}, "latent = 2.* have 3 numbers each"),
        ({"latent": 3}, "latent = 3.* have 2 numbers each"),
        ({"dtype": np.float64}, "is float64"),
        ({"variational": "yes"}, "variational = 'yes'"),
        ({"variational": True}, "arrays missing"),
        ({"hidden": [5]}, "expected float32"),
    ],
)
def test_an_encoder_that_is_none_is_refused(tmp_path, changes, message):
    path = an_encoder(tmp_path / "x", **changes)
    with pytest.raises(HandrailError, match=message):
        read_encoder(path, rows())


FEW = ImageNetwork((2, 2, 2), (8, 4, 3), (4, 2, 1), (5,))
ONE = ImageNetwork((2,), (4,), (4,), ())


def frames():
    return TableInputs(np.zeros((2, 84, 84, 3), np.uint8), 2, "pixels")


def test_networks_on_frames_of_a_table_have_the_sizes_of_their_card(tmp_path):
    built = QNetwork((3,), FEW)
    spec = {**frames().spec, "actions": 7}
    save(tmp_path / "q", Card("prior", spec, built.entries({})),
         frames().q_network(built, 7)(key=KEY))  # fmt: skip
    network = read_prior(tmp_path / "q", frames(), 7)
    assert network.hidden.weight.shape == (5, 7 * 7 * 2) and network.out.weight.shape == (7, 5)
    ours = EncoderNetwork.of(RepresentationSettings(latent=3, images=ONE))
    whole = frames().autoencoder(ours, key=KEY)
    known = {**named_arrays(whole.encoder), "known": np.ones((4, 3), np.float32)}
    save(tmp_path / "e", Card("encoder", frames().spec, ours.entries({})), known)
    found = read_encoder(tmp_path / "e", frames())
    assert found.encoder(jnp.zeros((84, 84, 3), np.uint8)).shape == (3,)
    assert whole.decoder(jnp.zeros(3)).shape == (84, 84, 3)
    for path, read in (("q", read_prior), ("e", read_encoder)):
        card, arrays = load(tmp_path / path)
        said = card.network["convolutions"]
        for wrong in ("small", {**said, "channels": [0]}, {**said, "kernels": None}):
            save(tmp_path / "x", dataclasses.replace(card, network={**card.network,
                 "convolutions": wrong}), arrays)  # fmt: skip
            with pytest.raises(HandrailError, match=r"convolutions are|images have"):
                read(tmp_path / "x", frames(), *([7] if path == "q" else []))


def test_the_papers_networks_need_no_word_on_their_sizes():
    assert "convolutions" not in QNetwork((3,)).entries({})
    assert "convolutions" not in EncoderNetwork(2, (3,)).entries({})
