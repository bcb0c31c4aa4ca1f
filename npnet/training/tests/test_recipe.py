from __future__ import annotations

import dataclasses
import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet.errors import RecipeError
from npnet.training import load_recipe, recipe_names
from npnet.training.recipe import OPTIMIZERS, Recipe
from npnet.training.schema import Choice, number, optional, read, setting, whole, write


def raw(name):
    return tomllib.loads(resources.files("npnet").joinpath("recipes", f"{name}.toml").read_text())


@pytest.mark.parametrize("name", recipe_names())
def test_a_written_recipe_is_read_back_as_it_was(name, tmp_path):
    recipe = load_recipe(name, ["optimizer=Adam", "optimizer.betas=[0.8, 0.99]"])
    path = tmp_path / "again.toml"
    path.write_text(recipe.to_toml())
    assert load_recipe(path) == recipe


def test_the_recipes_of_the_issue_are_there():
    assert {"galaxies", "galaxies-sdss", "mnist", "fashion-mnist", "digits"} <= set(recipe_names())
    assert {"galaxy-images", "mnist-cnn", "fashion-mnist-cnn"} <= set(recipe_names())
    assert {"wine", "fashion-mnist-lesson", "binary"} <= set(recipe_names())


def test_mnist_is_the_network_that_the_figures_are_stated_for():
    recipe = load_recipe("mnist")
    assert recipe.model.hidden == (256, 128)
    assert recipe.model.batch_norm
    assert recipe.model.activation == "ReLU"
    assert recipe.model.dropout == 0.3
    assert (recipe.optimizer.kind, recipe.scheduler.kind) == ("Adam", "OneCycleLR")
    assert (recipe.training.batch_size, recipe.training.epochs) == (128, 12)


@given(data=st.data())
def test_a_misspelt_key_is_refused_and_the_right_one_named(data):
    values = {"name": "x", **raw("galaxies")}
    tables = [name for name, value in values.items() if isinstance(value, dict)]
    name = data.draw(st.sampled_from(tables))
    key = data.draw(st.sampled_from([key for key in values[name] if len(key) > 3 and key != "kind"]))
    position = data.draw(st.integers(0, len(key) - 1))
    wrong = key[:position] + "q" + key[position + 1 :]
    values[name] = {wrong if k == key else k: value for k, value in values[name].items()}
    with pytest.raises(RecipeError, match=rf"unknown key {name}\.{wrong}, did you mean {name}\.{key}\?"):
        read(Recipe, "", values)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=fast", "optimizer: .*lr must be a number.*'fast'"),
        ("optimizer.lr=-1", "optimizer: .*lr must be"),
        ("optimizer.foreach=true", "foreach"),
        ("optimizer=Adem", "optimizer.kind must be one of .*did you mean 'Adam'"),
        ("optimzer.lr=1", "unknown key optimzer, did you mean optimizer"),
        ("training.epochs=0", "training.epochs must be a whole number, 1 or more, got 0"),
        ("training.epochs=true", "training.epochs must be a whole number"),
        ("training.epochs=1.5", "training.epochs must be a whole number"),
        (
            "training.batch_size=ful",
            "training.batch_size must be a whole number, 1 or more, or 'full', got 'ful'",
        ),
        ("training.dtype=float16", "training.dtype must be one of float32, float64"),
        ("training=3", "training must be a table, got 3"),
        ("model.dropout=1.0", "model.dropout must be a number, 0 or more and below 1"),
        ("model.dropout=nan", "model.dropout must be a number"),
        ("model.hidden=64", "model.hidden must be a list"),
        ("model.hidden=[64, 0]", r"model.hidden\[1\] must be a whole number, 1 or more"),
        ("model.kind=tree", "model.kind must be one of mlp, cnn"),
        ("data.dataset=galxies", "did you mean 'galaxies'"),
        ("data.validation=1", "data.validation must be a number, 0 or more and below 1"),
        ("data.validation=0", "early_stopping watches validation_loss, and there is no validation part"),
        ("data.folds=5", "leave data.test out"),
        ("data.features=vote", "unknown features 'vote'"),
        ("data.features.kep=3", r"did you mean data\.features\.keep"),
        ("data.features.keep=0", "data.features: .*positive keep"),
        ("scheduler=StepLR", "scheduler.step_size is missing"),
        ("scheduler.mode=max", "unknown key scheduler.mode"),
        ("scheduler=LambdaLR", "scheduler.kind must be one of"),
        ("regularization.penalty=L2", "regularization.penalty.lamb is missing"),
        ('regularization.penalty={kind = "L2", lamb = -1}', "lamb must be a finite number"),
        ("regularization.clip_grad_norm=0", "clip_grad_norm must be a number above 0"),
        ("regularization.class_weight=balance", "must be a list of weights, one a class, or 'balanced'"),
        ("regularization.early_stopping.patience=0", "patience must be a whole number, 1 or more"),
        ("name=a/b", "name must be a name of letters"),
        ("seed=x", "seed must be a whole number"),
        ("optimizer.lr", "--set takes table.key=value"),
        ("=3", "--set takes table.key=value"),
        ("seed.low=3", "seed is no table"),
    ],
)
def test_what_is_not_accepted_is_refused(override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("galaxies", [override])


def test_overrides_are_toml_values_and_bare_words_text():
    recipe = load_recipe(
        "galaxies",
        [
            "optimizer.lr=3e-4",
            "model.hidden=[8, 8]",
            "model.activation=Tanh",
            "regularization.class_weight=balanced",
            "regularization.early_stopping=none",
            "scheduler=none",
            "training.batch_size=full",
        ],
    )
    assert recipe.optimizer.options["lr"] == 3e-4
    assert recipe.model.hidden == (8, 8)
    assert recipe.model.activation == "Tanh"
    assert recipe.regularization.class_weight == "balanced"
    assert recipe.regularization.early_stopping is None
    assert recipe.scheduler is None
    assert recipe.training.batch_size == "full"


def test_text_with_a_line_break_is_one_value():
    recipe = load_recipe("digits", ["description=1\nseed = 5"])
    assert recipe.description == "1\nseed = 5"
    assert recipe.seed == 0


def test_a_word_in_place_of_a_table_starts_from_defaults():
    recipe = load_recipe("galaxies", ["optimizer=SGD", "optimizer.momentum=0.9"])
    assert recipe.optimizer == Choice("SGD", {"momentum": 0.9})


def test_the_later_override_counts():
    assert load_recipe("digits", ["seed=1", "seed=2"]).seed == 2


def test_a_recipe_of_ones_own_is_named_after_its_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(load_recipe("digits").to_toml().replace('name = "digits"\n', ""))
    assert load_recipe(path).name == "mine"


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(RecipeError, match=r"unknown recipe 'galaxie', did you mean 'galaxies'\?"):
        load_recipe("galaxie")


def test_a_file_that_is_not_there_or_no_toml_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*none\.toml"):
        load_recipe(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("seed = \n")
    with pytest.raises(RecipeError, match=r"broken\.toml is not a TOML file"):
        load_recipe(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(broken)


def test_a_missing_setting_is_named():
    values = raw("digits")
    del values["training"]["epochs"]
    with pytest.raises(RecipeError, match=r"training\.epochs is missing"):
        read(Recipe, "", {"name": "x", **values})


def test_settings_that_are_absent_are_not_written():
    @dataclasses.dataclass(frozen=True)
    class Table:
        few: int | None = setting(optional(whole(1)), None)
        share: float = setting(number(0.0), 0.5)

    assert write(read(Table, "table", {"few": "none"})) == {"share": 0.5}
    assert write(read(Table, "table", {"few": 2, "share": 1})) == {"few": 2, "share": 1.0}


def test_a_linear_layer_before_batch_norm_has_no_bias():
    recipe = load_recipe("mnist")
    names = [name for name, _ in recipe.model.build(4, 3).named_parameters()]
    # Linear, BatchNorm1d, ReLU, Dropout, twice, and the last Linear.
    assert names == ["0.weight", "1.weight", "1.bias", "4.weight", "5.weight", "5.bias", "8.weight", "8.bias"]


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_every_optimizer_can_be_named(kind):
    assert load_recipe("digits", [f"optimizer={kind}"]).optimizer == Choice(kind)
