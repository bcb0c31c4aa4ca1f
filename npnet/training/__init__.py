"""Train from a recipe: the schema of recipes, engines, the loop, its callbacks, and the folder of a run.

Examples
--------
>>> from npnet.training import load_recipe
>>> load_recipe("mnist").model.hidden
(256, 128)
"""

from __future__ import annotations

from npnet.training.callbacks import Callback, KeepWeights, StopAtNaN, StopEarly
from npnet.training.checkpoint import Checkpoint, load_checkpoint
from npnet.training.comparison import compare_recipe
from npnet.training.engine import Engine, Evaluation, Step
from npnet.training.experiment import resume_recipe, run_recipe
from npnet.training.interruption import Interrupted
from npnet.training.model import CNN, MLP
from npnet.training.numpy_engine import NumpyEngine
from npnet.training.objective import (
    BinaryClassification,
    Classification,
    Objective,
    Regression,
    objective_from_state,
)
from npnet.training.predictor import Predictor, evaluate_run, load_predictor
from npnet.training.recipe import Recipe
from npnet.training.recipe_files import load_recipe, recipe_names
from npnet.training.record import Run, read_run
from npnet.training.run import RunFolder, load_weights
from npnet.training.task import Task, make_task, splits
from npnet.training.train_step import TrainStep
from npnet.training.trainer import History, Trainer

__all__ = [
    "CNN",
    "MLP",
    "BinaryClassification",
    "Callback",
    "Checkpoint",
    "Classification",
    "Engine",
    "Evaluation",
    "History",
    "Interrupted",
    "KeepWeights",
    "NumpyEngine",
    "Objective",
    "Predictor",
    "Recipe",
    "Regression",
    "Run",
    "RunFolder",
    "Step",
    "StopAtNaN",
    "StopEarly",
    "Task",
    "TrainStep",
    "Trainer",
    "compare_recipe",
    "evaluate_run",
    "load_checkpoint",
    "load_predictor",
    "load_recipe",
    "load_weights",
    "make_task",
    "objective_from_state",
    "read_run",
    "recipe_names",
    "resume_recipe",
    "run_recipe",
    "splits",
]
