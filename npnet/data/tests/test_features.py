from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import f_classif

import npnet.data
from npnet.data.features import StandardizedTable, features_from_state, make_features
from npnet.data.galaxies import VOTE_FRACTIONS
from npnet.data.photometry import COLUMNS, Photometry, galaxy_physics
from npnet.data.standardized_images import StandardizedImages
from npnet.data.votes import VoteProducts
from npnet.errors import ArgumentError, DataError, DtypeError, ShapeError, StateError


def votes(rows=400, seed=0):
    """Vote fractions with a class that depends on them."""
    rng = np.random.default_rng(seed)
    fractions = rng.dirichlet([2.0, 1.0, 1.0, 1.0, 0.3, 0.3], rows)
    table = pd.DataFrame(fractions, columns=list(VOTE_FRACTIONS[:6]))
    table["P_CS"] = table[["P_CW", "P_ACW", "P_EDGE"]].sum(axis=1)
    return table, np.digitize(table["P_EL"] + 0.1 * rng.normal(size=rows), [0.2, 0.45])


def photometry(rows=50, seed=0):
    rng = np.random.default_rng(seed)
    el = rng.uniform(size=rows)
    values = {
        "p_el_debiased": el,
        "p_cs_debiased": (1 - el) * rng.uniform(size=rows),
        "votes": rng.integers(14, 82, rows).astype(float),
        "redshift": rng.uniform(0.01, 0.3, rows),
        "mag_r": rng.uniform(14, 18, rows),
        "expRad_r": rng.uniform(0.5, 5, rows),
        "deVRad_r": rng.uniform(0.5, 9, rows),
    }
    return pd.DataFrame(values), rng.integers(0, 3, rows)


def fitted():
    """One of each kind, with the inputs it was fitted on."""
    table, classes = votes()
    galaxies, flags = photometry()
    images = np.random.default_rng(0).integers(0, 256, (40, 5, 4, 3), dtype=np.uint8)
    return [
        (make_features("table").fit(table, classes), table),
        (make_features("votes").fit(table, classes), table),
        (make_features("photometry").fit(galaxies, flags), galaxies),
        (make_features("images").fit(images, np.arange(40) % 2), images),
        (make_features("images").fit(images[..., 0], np.arange(40) % 2), images[..., 0]),
    ]


@pytest.mark.parametrize("number", range(5))
def test_the_state_gives_the_same_features_back(number):
    features, inputs = fitted()[number]
    state = features.state()
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in state.items()}
    for kept in (state, json.loads(json.dumps(plain))):
        again = features_from_state(kept)
        assert type(again) is type(features)
        assert again.feature_names == features.feature_names
        np.testing.assert_array_equal(again.transform(inputs), features.transform(inputs))
    out = features.transform(inputs)
    assert out.dtype == np.float32
    assert out.shape == (len(inputs), *features.shape)
    assert np.prod(features.shape) == len(features.feature_names)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("number", range(3))
def test_table_features_are_standardised_over_the_training_part(number):
    features, inputs = fitted()[number]
    out = features.transform(inputs).astype(np.float64)
    np.testing.assert_allclose(out.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(out.std(axis=0), 1.0, atol=1e-6)


def chosen_by_hand(table, classes):
    """The recipe of the issue, column by column."""
    columns = {}
    for name in VOTE_FRACTIONS:
        columns[name] = table[name].to_numpy()
    for i, first in enumerate(VOTE_FRACTIONS):
        for second in VOTE_FRACTIONS[i:]:
            name = f"{first}^2" if first == second else f"{first} {second}"
            columns[name] = columns[first] * columns[second]
    columns |= {f"exp({name})": np.exp(columns[name]) for name in VOTE_FRACTIONS}
    columns |= {f"log1p({name})": np.log(1 + columns[name]) for name in VOTE_FRACTIONS}
    assert len(columns) == 49
    kept = {}
    for name, column in columns.items():
        if column.max() > column.min() and all(
            abs(np.corrcoef(column, other)[0, 1]) <= 0.95 for other in kept.values()
        ):
            kept[name] = column
    scores = f_classif(np.stack(list(kept.values()), axis=1), classes)[0]
    best = sorted(np.argsort(-scores)[:20])
    names = list(kept)
    return {names[number]: kept[names[number]] for number in best}


@pytest.mark.parametrize("constant", [None, "P_MG"])
def test_vote_features_are_those_of_the_recipe(constant):
    table, classes = votes()
    if constant:
        table[constant] = 0.25
    expected = chosen_by_hand(table, classes)
    features = VoteProducts().fit(table, classes)
    assert features.feature_names == tuple(expected)
    for number, column in enumerate(expected.values()):
        np.testing.assert_allclose(
            features.transform(table)[:, number], (column - column.mean()) / column.std(), atol=1e-6
        )


def test_vote_features_learn_from_the_training_part_alone():
    table, classes = votes()
    alone = VoteProducts().fit(table[:200], classes[:200])
    changed = table.copy()
    changed.loc[200:] = 0.0
    np.testing.assert_array_equal(alone.transform(changed)[:200], alone.transform(table)[:200])
    assert not np.array_equal(alone.mean, VoteProducts().fit(table, classes).mean)


def test_simulated_galaxies_give_twenty_features_without_the_debiased_columns(monkeypatch):
    monkeypatch.setattr("npnet.data.registry.search_folders", tuple)
    dataset = npnet.data.load("galaxies")
    features = VoteProducts().fit(dataset.inputs, dataset.targets)
    assert len(features.feature_names) == 20
    assert not any("DEBIASED" in name for name in features.feature_names)
    more = VoteProducts(columns=["P_EL_DEBIASED", "P_CS_DEBIASED"]).fit(dataset.inputs, dataset.targets)
    assert "P_EL_DEBIASED" in more.feature_names


def test_a_zero_vote_fraction_and_its_logarithm_stay_finite():
    table, classes = votes()
    features = VoteProducts().fit(table, classes)
    assert np.isfinite(features.transform(table * 0.0)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="P_EL"), "no column 'P_EL'"),
        (lambda t: t.assign(P_EL=np.nan), "row 0, column 'P_EL' is nan"),
        (lambda t: t.assign(P_CS=np.inf), "row 0, column 'P_CS' is inf"),
    ],
)
def test_bad_tables_are_refused_in_fit_and_transform(change, message):
    table, classes = votes()
    with pytest.raises(DataError, match=message):
        VoteProducts().fit(change(table), classes)
    with pytest.raises(DataError, match=message):
        VoteProducts().fit(table, classes).transform(change(table))


def test_columns_that_are_all_constant_are_refused():
    table, classes = votes()
    with pytest.raises(DataError, match="constant over 400 rows"):
        VoteProducts().fit(table * 0.0, classes)


def test_physics_of_a_galaxy_agrees_with_the_integral():
    """Distances against the integral of a flat universe, M_r and R against their definitions."""
    z = np.linspace(0.01, 0.3, 20)
    galaxies = pd.DataFrame({name: np.full(20, 0.3) for name in COLUMNS}).assign(
        redshift=z, mag_r=17.0, expRad_r=2.0, deVRad_r=3.0
    )
    physics = galaxy_physics(galaxies)
    grid = np.linspace(0.0, 1.0, 20_001)
    rate = 1.0 / np.sqrt(0.3 * (1 + z[:, None] * grid) ** 3 + 0.7)
    comoving = 299_792.458 / 70.0 * z * np.trapezoid(rate, grid, axis=1)  # Mpc
    modulus = 5 * np.log10(comoving * (1 + z) * 1e6 / 10.0)
    np.testing.assert_allclose(17.0 - physics["M_r"], modulus, atol=0.02)
    radius = np.radians(2.0 / 3600.0) * comoving * 1e3 / (1 + z)
    np.testing.assert_allclose(10 ** physics["log R_exp"], radius, rtol=0.01)
    np.testing.assert_allclose(10 ** (physics["log R_deV"] - physics["log R_exp"]), 1.5)


def test_missing_photometry_gets_the_training_median():
    galaxies, flags = photometry()
    features = Photometry().fit(galaxies, flags)
    absent = galaxies.copy()
    absent.loc[3, "mag_r"] = np.nan
    absent.loc[4, "expRad_r"] = -1.0
    column = features.feature_names.index("M_r")
    median = np.median(galaxy_physics(galaxies)["M_r"])
    expected = (median - features.mean[column]) / features.scale[column]
    out = features.transform(absent)
    assert out[3, column] == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(out).all()
    with pytest.raises(DataError, match="'M_r' is missing in all of 50 rows"):
        Photometry().fit(galaxies.assign(mag_r=np.nan), flags)
    with pytest.raises(DataError, match="is inf"):
        features.transform(galaxies.assign(mag_r=np.inf))


def test_images_are_scaled_by_the_exact_mean_and_deviation():
    images = np.random.default_rng(1).integers(0, 256, (600, 3, 7), dtype=np.uint8)
    features = StandardizedImages().fit(images, np.zeros(600))
    assert features.mean == pytest.approx(images.mean(), rel=1e-14)
    assert features.scale == pytest.approx(images.std(), rel=1e-14)
    expected = (images.reshape(600, 1, 3, 7) - images.mean()) / images.std()
    np.testing.assert_allclose(features.transform(images), expected, atol=1e-6)
    assert np.all(StandardizedImages().fit(images * 0, np.zeros(600)).transform(images * 0) == 0)


def test_colours_are_scaled_channel_by_channel_and_come_first():
    images = np.random.default_rng(1).integers(0, [[[80, 160, 256]]], (300, 3, 5, 3)).astype(np.uint8)
    images[..., 1] = 7  # a constant channel is shifted only
    features = StandardizedImages().fit(images, np.zeros(300))
    colours = images.reshape(-1, 3)
    np.testing.assert_allclose(features.mean, colours.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(features.scale, [colours[:, 0].std(), 1.0, colours[:, 2].std()], rtol=1e-14)
    out = features.transform(images)
    assert out.flags.c_contiguous
    expected = np.moveaxis((images - features.mean) / features.scale, 3, 1)
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_images_of_another_dtype_or_shape_are_refused():
    images = np.zeros((4, 3, 3), dtype=np.uint8)
    features = StandardizedImages().fit(images, np.zeros(4))
    with pytest.raises(DtypeError, match="images are uint8, got float64"):
        features.transform(images / 2)
    with pytest.raises(ShapeError, match=r"images of shape \(3, 4\)"):
        features.transform(np.zeros((4, 3, 4), dtype=np.uint8))
    with pytest.raises(DataError, match="no images"):
        features.fit(images[:0], np.zeros(0))
    with pytest.raises(ShapeError, match=r"\(N, H, W\) or \(N, H, W, C\), got \(4, 9\)"):
        features.fit(images.reshape(4, 9), np.zeros(4))


@pytest.mark.parametrize("cls", [StandardizedTable, StandardizedImages, VoteProducts, Photometry])
def test_features_that_are_not_fitted_say_so(cls):
    with pytest.raises(StateError, match="not fitted"):
        cls().state()
    with pytest.raises(StateError, match="not fitted"):
        cls().transform(np.zeros((1, 1, 1), np.uint8))


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("damage", ["kind", "missing", "length"])
def test_a_damaged_state_is_refused(number, damage):
    features, _ = fitted()[number]
    state = dict(features.state())
    if damage == "kind":
        state["kind"] = "unknown"
    elif damage == "missing":
        del state["mean"]
    else:
        state["scale"] = [1.0, 2.0]
    with pytest.raises(StateError, match="not the state of"):
        features_from_state(state)


def test_a_state_with_columns_that_cannot_be_made_is_refused():
    table, classes = votes()
    state = VoteProducts().fit(table, classes).state()
    state["feature_names"] = ["sin(P_EL)", *state["feature_names"][1:]]
    with pytest.raises(StateError, match=r"sin\(P_EL\)"):
        VoteProducts.from_state(state)


def test_unknown_features_and_options_are_refused():
    with pytest.raises(ArgumentError, match="unknown features 'vote'; there are"):
        make_features("vote")
    with pytest.raises(ArgumentError, match="keeps"):
        make_features("votes", keeps=3)
    with pytest.raises(ArgumentError, match="positive keep"):
        make_features("votes", keep=0)
