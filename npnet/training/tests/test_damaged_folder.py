"""The folder of a run with a damaged file: documented errors only, whatever is asked of it."""

from __future__ import annotations

import contextlib
import json
import random
import shutil

import pytest

from npnet.errors import NpnetError
from npnet.training import RunFolder, evaluate_run, load_recipe, run_recipe

RECIPE = load_recipe("digits", ["training.epochs=3", "training.batch_size=400", "model.hidden=[8]"])
FOLDS = load_recipe(RECIPE, ["data.test=none", "data.folds=2"])

ODD = [None, True, -1, 10**30, 1e308, "", "x", "../x", [], [1, "a"], {}, {"kind": "x"}, [[]]]


def places(tree, path=()):
    """Every place in a tree of JSON."""
    yield path
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


def damaged(content, draw):
    """JSON with one place taken out or replaced, or text cut off or with something in it."""
    tree = json.loads(content)
    chosen = draw.choice(list(places(tree))[1:])
    inner = tree
    for key in chosen[:-1]:
        inner = inner[key]
    if draw.random() < 0.3:
        del inner[chosen[-1]]
    else:
        inner[chosen[-1]] = draw.choice(ODD)
    return json.dumps(tree)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "write_figure", lambda *_: None)
        path = tmp_path_factory.mktemp("finished")
        run_recipe(RECIPE, out=path / "whole")
        run_recipe(FOLDS, out=path / "folds")
    return path


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ["run.json", "summary.json", "features.json", "targets.json"])
@pytest.mark.parametrize("run", ["whole", "folds"])
def test_no_damaged_file_gives_a_traceback(finished, tmp_path, npnet_, run, name):
    draw = random.Random(f"{run} {name}")
    path = tmp_path / "run"
    shutil.copytree(finished / run, path)
    network = path if run == "whole" else path / "fold-1"
    file = network / name if name in ("features.json", "targets.json") else path / name
    whole = file.read_text()
    for _ in range(8):
        file.write_text(damaged(whole, draw))
        with contextlib.suppress(NpnetError, OSError):
            evaluate_run(network)
        for command in (("runs", path), ("train", "--resume", path)):
            status, _, err = npnet_(*command)
            assert status in (0, 1)
            assert "Traceback" not in err
        shutil.rmtree(path)
        shutil.copytree(finished / run, path)
