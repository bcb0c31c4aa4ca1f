"""The simulator against the published figures of Galaxy Zoo 1 Table 2, and its ceiling against the truth.

The figures are those of the 5,000 real rows, as printed: half a unit of the last printed digit is added to
four standard errors, and a standard error counts both samples, the real rows and the simulated ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier

from npnet.data.simulator import GalaxyModel, GalaxyType, LogOdds, SimulatedTable, posterior, simulate_table2
from npnet.data.simulator.model import redshift_quantile
from npnet.errors import ArgumentError

REAL_ROWS, ROWS, SIGMAS = 5000, 20_000, 4.0
VOTES = ["P_EL", "P_CW", "P_ACW", "P_EDGE", "P_DK", "P_MG"]
FRACTIONS = [*VOTES, "P_CS"]
FLAGS = ["SPIRAL", "ELLIPTICAL", "UNCERTAIN"]
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)

# column: digits printed, mean, standard deviation, quantiles at LEVELS, bounds
PUBLISHED = {
    "NVOTE": (0.1, 39.2, 14.0, (23, 28, 34, 52, 65), (14, 82)),
    "EL": (0.001, 0.403, 0.296, (0.016, 0.127, 0.363, 0.662, 0.897), (0, 1)),
    "CS": (0.001, 0.478, 0.318, (0.032, 0.180, 0.456, 0.771, 0.969), (0, 1)),
    "REST": (0.001, 0.119, 0.131, (0, 0.031, 0.080, 0.169, 0.376), (0, 1)),
    "redshift": (0.001, 0.104, 0.048, (0.034, 0.073, 0.096, 0.129, 0.196), (0.011, 0.325)),
}
SHARES = {"SPIRAL": 0.272, "ELLIPTICAL": 0.089, "UNCERTAIN": 0.639}
BY_CLASS = {
    ("ELLIPTICAL", "EL"): (0.896, 0.065),
    ("ELLIPTICAL", "CS"): (0.053, 0.051),
    ("SPIRAL", "EL"): (0.114, 0.132),
    ("SPIRAL", "CS"): (0.854, 0.137),
    ("UNCERTAIN", "EL"): (0.458, 0.239),
    ("UNCERTAIN", "CS"): (0.376, 0.232),
}
NVOTE_EDGES = (10, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 85)
NVOTE_COUNTS = (60, 411, 1049, 1060, 592, 209, 220, 347, 451, 332, 191, 59, 19)
MAIN_VOTES = {"P_EL": 0.697, "P_EDGE": 0.150, "P_ACW": 0.065, "P_CW": 0.062, "P_MG": 0.017, "P_DK": 0.008}
PICTURES = 6664
CORRELATION, AGREEMENT = -0.911, 0.854


@pytest.fixture(scope="module")
def drawn() -> SimulatedTable:
    return simulate_table2(ROWS, seed=0)


@pytest.fixture(scope="module")
def columns(drawn):
    table = drawn.table
    el, cs = table["P_EL_DEBIASED"].to_numpy(), table["P_CS_DEBIASED"].to_numpy()
    # 1 - (EL + CS) in thousandths, as the columns are: no rounding noise about zero
    rest = np.rint(1000 * (1 - el - cs)) / 1000
    return {"NVOTE": table["NVOTE"].to_numpy(), "EL": el, "CS": cs, "REST": rest, "redshift": drawn.redshift}


@pytest.fixture(scope="module")
def targets(drawn):
    return drawn.table[FLAGS].to_numpy().argmax(axis=1)


@pytest.fixture(scope="module")
def votes(drawn):
    return counted(drawn)


def counted(drawn):
    return np.rint(drawn.table[VOTES].to_numpy() * drawn.table[["NVOTE"]].to_numpy())


def both(influence, real_rows=REAL_ROWS):
    """Four standard errors of the difference of two averages of such terms, one of them over real rows."""
    return SIGMAS * np.std(influence) * math.sqrt(1 / real_rows + 1 / len(influence))


def of_share(share, real_rows=REAL_ROWS, rows=ROWS):
    return SIGMAS * math.sqrt(share * (1 - share) * (1 / real_rows + 1 / rows))


def check_mean(values, published, digit, real_rows=REAL_ROWS):
    assert abs(values.mean() - published) <= both(values, real_rows) + digit / 2


def check_std(values, published, digit, real_rows=REAL_ROWS):
    std = values.std()
    influence = (values - values.mean()) ** 2 / (2 * std)  # delta method
    assert abs(std - published) <= both(influence, real_rows) + digit / 2


@pytest.mark.parametrize("name", PUBLISHED)
def test_mean_and_spread(columns, name):
    digit, mean, std, _, _ = PUBLISHED[name]
    check_mean(columns[name], mean, digit)
    check_std(columns[name], std, digit)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_quantile(columns, name, level):
    """Published quantile: about that share of the simulated rows lies below it."""
    digit, _, _, quantiles, _ = PUBLISHED[name]
    quantile = quantiles[LEVELS.index(level)]
    half = 0.0 if name == "NVOTE" else 0.5001 * digit
    below, up_to = (columns[name] < quantile - half).mean(), (columns[name] <= quantile + half).mean()
    tolerance = of_share(level)
    assert below - tolerance <= level <= up_to + tolerance


@pytest.mark.parametrize("name", PUBLISHED)
def test_range(columns, name):
    low, high = PUBLISHED[name][4]
    assert columns[name].min() >= low
    assert columns[name].max() <= high
    # The extremes of 5,000 rows are reached by 20,000, nearly: no column stops short.
    assert columns[name].max() >= 0.9 * high
    assert columns[name].min() <= low + 0.02 * high


def test_histogram_of_votes(columns):
    shares = np.histogram(columns["NVOTE"], NVOTE_EDGES)[0] / ROWS
    published = np.array(NVOTE_COUNTS) / REAL_ROWS
    tolerance = np.array([of_share(share) for share in published])
    np.testing.assert_array_less(np.abs(shares - published), tolerance)


@pytest.mark.parametrize("name", FLAGS)
def test_share_of_a_class(drawn, name):
    assert abs(drawn.table[name].mean() - SHARES[name]) <= of_share(SHARES[name]) + 0.0005


@pytest.mark.parametrize(("flag", "name"), BY_CLASS)
def test_debiased_columns_by_class(drawn, columns, flag, name):
    mean, std = BY_CLASS[flag, name]
    values = columns[name][drawn.table[flag] == 1]
    real_rows = round(SHARES[flag] * REAL_ROWS)
    check_mean(values, mean, 0.001, real_rows)
    check_std(values, std, 0.001, real_rows)


def test_correlation_of_the_debiased_columns(columns):
    el, cs = ((columns[name] - columns[name].mean()) / columns[name].std() for name in ("EL", "CS"))
    correlation = (el * cs).mean()
    influence = el * cs - correlation * (el**2 + cs**2) / 2  # delta method
    assert abs(correlation - CORRELATION) <= both(influence) + 0.0005


def test_votes_hardly_correlate_with_fractions(drawn, columns):
    for name in FRACTIONS:
        assert abs(np.corrcoef(columns["NVOTE"], drawn.table[name])[0, 1]) < SIGMAS / math.sqrt(ROWS)


def test_agreement_of_the_plain_cut(columns, targets):
    cut = np.where(columns["CS"] > 0.8, 0, np.where(columns["EL"] > 0.8, 1, 2))
    assert abs((cut == targets).mean() - AGREEMENT) <= of_share(AGREEMENT) + 0.0005


@pytest.mark.parametrize("name", MAIN_VOTES)
def test_share_of_a_main_vote(votes, name):
    share, published = (votes.argmax(axis=1) == VOTES.index(name)).mean(), MAIN_VOTES[name]
    assert abs(share - published) <= of_share(published, PICTURES) + 0.0005


def test_format(drawn):
    table = drawn.table
    assert list(table) == [
        *("OBJID", "RA", "DEC", "NVOTE"),
        *FRACTIONS,
        *("P_EL_DEBIASED", "P_CS_DEBIASED"),
        *FLAGS,
    ]
    assert table["OBJID"].dtype == np.int64
    assert table["OBJID"].is_unique
    assert (table["OBJID"] // 10**12).between(587_722, 588_999).all()
    assert all(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d\d", ra) for ra in table["RA"])
    assert all(re.fullmatch(r"[+-][0-8]\d:[0-5]\d:[0-5]\d\.\d", dec) for dec in table["DEC"])
    assert table["RA"].is_monotonic_increasing
    assert table["DEC"].str.slice(0, 3).astype(int).between(-11, 70).all()
    assert (table[FLAGS].sum(axis=1) == 1).all()


def test_fractions_are_votes_over_nvote(drawn, votes):
    table, nvote = drawn.table, drawn.table["NVOTE"].to_numpy()
    np.testing.assert_array_equal(votes.sum(axis=1), nvote)
    np.testing.assert_array_equal(table[VOTES].to_numpy(), np.round(votes / nvote[:, None], 3))
    np.testing.assert_array_equal(table["P_CS"], np.round(votes[:, 1:4].sum(axis=1) / nvote, 3))


def test_debiasing_moves_votes_from_elliptical_to_spiral(drawn):
    table = drawn.table
    el, cs = table["P_EL_DEBIASED"], table["P_CS_DEBIASED"]
    assert (np.rint(1000 * (el + cs)) <= 1000).all()
    assert np.abs(el + cs - table["P_EL"] - table["P_CS"]).max() < 0.0016  # three roundings
    assert (table["P_EL"] - el).min() > -0.0011
    assert (table["P_EL"] - el).mean() > 0.1


def test_debiasing_undoes_the_blur_on_average(drawn):
    """Raw votes become elliptical with distance; debiased ones do not."""
    far = drawn.redshift > np.median(drawn.redshift)
    tolerance = SIGMAS * math.sqrt(2 / (ROWS / 2)) * drawn.table["P_EL_DEBIASED"].std()
    table = drawn.table
    gap = {
        name: table.loc[far, name].mean() - table.loc[~far, name].mean() for name in ("P_EL", "P_EL_DEBIASED")
    }
    assert gap["P_EL"] > tolerance
    assert abs(gap["P_EL_DEBIASED"]) < tolerance


def test_the_seed_decides():
    first, again, other = (simulate_table2(500, seed=seed).table for seed in (3, 3, 4))
    assert first.equals(again)
    for column in first:
        assert not first[column].equals(other[column])


@pytest.mark.parametrize(("n_rows", "seed"), [(0, 0), (-5, 0), (10, -1)])
def test_refuses_what_cannot_be_drawn(n_rows, seed):
    with pytest.raises(ArgumentError, match=rf"got {n_rows} and {seed}"):
        simulate_table2(n_rows, seed)


def test_one_row_is_enough():
    assert simulate_table2(1).table.shape == (1, 16)


# ---------------------------------------------------------------------------------------------- the ceiling


def test_best_classifier_reaches_the_ceiling(drawn, votes, targets):
    """Its expected accuracy is the ceiling: seen and expected hits differ by sampling error alone."""
    chances = posterior(votes, drawn.model)
    best = chances.max(axis=1)
    assert drawn.ceiling == best.mean()
    error = SIGMAS * math.sqrt((best * (1 - best)).sum()) / ROWS
    assert abs((chances.argmax(axis=1) == targets).mean() - drawn.ceiling) < error


def test_posterior_is_calibrated(drawn, votes, targets):
    """Among the rows that it gives a chance of about p, a share p has the class: for each class and tenth."""
    chances = posterior(votes, drawn.model)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    for klass in range(3):
        chance, hit = chances[:, klass], targets == klass
        tenth = np.minimum((10 * chance).astype(int), 9)
        surprise = np.bincount(tenth, hit - chance, 10)
        spread = np.sqrt(np.bincount(tenth, chance * (1 - chance), 10))
        assert (np.abs(surprise) <= SIGMAS * spread + 1).all()


def test_no_classifier_passes_the_ceiling(drawn, targets):
    features = drawn.table[FRACTIONS].to_numpy()
    learner = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=15, random_state=0
    )
    half = ROWS // 2
    order = np.random.default_rng(0).permutation(ROWS)
    train, test = order[:half], order[half:]
    reached = learner.fit(features[train], targets[train]).score(features[test], targets[test])
    error = SIGMAS * math.sqrt(drawn.ceiling * (1 - drawn.ceiling) / half)
    assert drawn.ceiling - 0.03 < reached < drawn.ceiling + error


def test_ceiling_where_the_flags_are_noise_alone():
    r"""With both slopes 0, :math:`L \sim N(\mu, \tau^2)` and the votes tell no more than :math:`S`."""
    model = replace(
        GalaxyModel(), flag_slope_elliptical=0.0, flag_slope_spiral=0.0, flag_shift=0.5, flag_error=1.5
    )
    drawn = simulate_table2(500, model=model)
    votes = counted(drawn)
    share = votes[:, :4].sum(axis=1) / votes.sum(axis=1)
    threshold = np.array([math.log(0.8 / (s - 0.8)) if s > 0.8 else math.inf for s in share])
    spiral, elliptical = norm.cdf((0.5 - threshold) / 1.5), norm.cdf((-0.5 - threshold) / 1.5)
    expected = np.max([spiral, elliptical, 1 - spiral - elliptical], axis=0).mean()
    assert drawn.ceiling == pytest.approx(expected, abs=1e-12)


def test_ceiling_where_the_votes_decide():
    """No blur and no error of the flags: they are a function of the votes."""
    model = replace(GalaxyModel(), blur=0.0, flag_error=1e-9)
    assert simulate_table2(2000, model=model).ceiling == pytest.approx(1, abs=1e-9)


def test_posterior_weighs_types_and_redshifts():
    """Against Monte Carlo: hidden variables drawn from the model, weighted by the likelihood of the votes.

    The same share of spiral votes means a far galaxy of the one type and a near one of the other, so every
    answer that tells the types apart, and how frequent they are, moves the class.
    """
    one = GalaxyType(0.8, LogOdds(2, 0.5), LogOdds(3, 0.5), LogOdds(1, 0.7), LogOdds(1, 0.7), LogOdds(1, 0.7))
    two = GalaxyType(
        0.2, LogOdds(3, 0.5), LogOdds(1, 0.5), LogOdds(0, 0.7), LogOdds(-1, 0.7), LogOdds(-1, 0.7)
    )
    model = replace(GalaxyModel(), types=(one, two), blur=6.0, blur_redshift=0.1)
    given = np.array([[12, 2, 4, 5, 0, 1], [12, 4, 2, 5, 1, 0], [9, 2, 3, 3, 0, 0], [5, 1, 3, 12, 2, 2]])
    draws = 200_000
    rng = np.random.default_rng(1)
    kind = rng.choice(2, draws, p=[0.8, 0.2])
    redshift = redshift_quantile(rng.random(draws))
    fading = 6.0 * redshift / (redshift + 0.1)

    def chance_of_yes(question, fading=0.0):
        mean, std = np.array([getattr(galaxy, question) for galaxy in model.types])[kind].T
        return expit(mean - fading + std * rng.standard_normal(draws))

    recognised, spiral = chance_of_yes("recognised"), chance_of_yes("spiral", fading)
    edge_on, clockwise, merger = (chance_of_yes(question) for question in ("edge_on", "clockwise", "merger"))
    leaves = np.stack(
        [
            recognised * (1 - spiral),
            recognised * spiral * (1 - edge_on) * clockwise,
            recognised * spiral * (1 - edge_on) * (1 - clockwise),
            recognised * spiral * edge_on,
            (1 - recognised) * (1 - merger),
            (1 - recognised) * merger,
        ]
    )
    for votes, chances in zip(given, posterior(given, model), strict=True):
        weight = np.exp(votes @ np.log(leaves))
        weight /= weight.sum()
        debiased = math.log((votes[1:4].sum() + 0.5) / (votes[0] + 0.5)) + fading
        slope = np.where(debiased < 0, model.flag_slope_elliptical, model.flag_slope_spiral)
        log_odds = model.flag_shift + slope * debiased
        share = votes[:4].sum() / votes.sum()
        threshold = math.log(0.8 / (share - 0.8)) if share > 0.8 else math.inf
        for sign, chance in zip((1, -1), chances, strict=False):
            flagged = norm.cdf((sign * log_odds - threshold) / model.flag_error)
            error = math.sqrt((weight**2 * (flagged - weight @ flagged) ** 2).sum())
            assert abs(weight @ flagged - chance) <= SIGMAS * error + 1e-4
