"""The net of one training part: teacher, made rows, distillation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

import baselines
import features
import net
import synthetic
import teachers
from data import FIELDS
from metrics import sigmoid


@dataclass(frozen=True)
class Method:
    """Everything that decides what the net becomes, given rows."""

    teacher: teachers.Teacher
    mixing: synthetic.Mixing
    net: net.Net
    seed: int  # of the net and of the made rows


@dataclass(frozen=True)
class Student:
    """The trained net, the features it was trained on, and the matrix of the whole table."""

    model: net.Mlp
    fitted: features.Fitted
    inputs: list[str]
    matrix: np.ndarray


def distil(
    how: Method, recipe: features.Recipe, table: pd.DataFrame, bad: np.ndarray, train: np.ndarray
) -> Student:
    """Train the net on `train`, whose labels are the only ones looked up.

    A real row's target mixes its label with the out-of-fold teacher; a made row's is the
    teacher's word alone. All rows weigh the same.
    """
    made = synthetic.make(how.mixing, table, train, how.seed)
    every = pd.concat([table, made], ignore_index=True)
    made_at = np.arange(len(table), len(every))
    values = features.columns(recipe, every)
    fitted = features.fit(recipe, values, train)
    x, inputs = features.transform(recipe, fitted, values)
    tree_x = baselines.tree_inputs(values, [*FIELDS, *recipe["columns"]])
    wide = teachers.wider_inputs(tree_x, values)
    soft, made_soft = teachers.teach(how.teacher, x, wide, bad, train, made_at)
    share = how.net.label_share
    target = np.concatenate([share * bad[train] + (1.0 - share) * sigmoid(soft), sigmoid(made_soft)])
    model = net.train_net(how.net, how.seed, x[np.concatenate([train, made_at])], target)
    net.equalise(model, x[train])
    return Student(model, fitted, inputs, np.ascontiguousarray(x[: len(table)]))
