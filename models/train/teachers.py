"""The net's teacher: randomised trees with some logistic regression, made to be smooth.

It may see joins of fields that the net has no column for; the fields are the same eleven.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from baselines import Logistic, Trees, fit_logistic


@dataclass(frozen=True)
class Teacher:
    """Both members, the trees' share in log-odds, and the folds' seeds."""

    logistic: Logistic
    trees: Trees  # with extremely randomised thresholds (Geurts et al. 2006)
    rounds: int
    tree_share: float
    folds: int
    seeds: tuple[int, ...]


def wider_inputs(tree_x: pd.DataFrame, values: dict[str, np.ndarray]) -> pd.DataFrame:
    """The trees' inputs and seven more joins of fields, NaN where one is missing."""
    frame = tree_x.copy()
    debt = np.nan_to_num(values["debt"])
    frame["amount/income"] = ratio(values["amount"], values["income"])
    frame["instalment-spare"] = values["instalment"] - values["spare"]
    frame["price-amount"] = values["price"] - values["amount"]
    frame["assets-debt"] = values["assets"] - debt
    frame["expenses/income"] = ratio(values["expenses"], values["income"])
    frame["amount/assets"] = ratio(values["amount"], values["assets"] + 1.0)
    frame["instalment/income"] = ratio(values["instalment"], values["income"])
    return frame


def ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """A quotient, NaN where the divisor is 0 or either is missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0.0, top / bottom, np.nan)


def teach(
    choice: Teacher,
    linear_x: np.ndarray,
    tree_x: pd.DataFrame,
    bad: np.ndarray,
    rows: np.ndarray,
    made: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds for `rows`, out of fold and averaged over the seeds, and for `made` rows, the
    mean of all fold models. `bad` is looked up for `rows` alone."""
    label = bad[rows]
    real, unreal = np.zeros(len(rows)), np.zeros(len(made))
    for seed in choice.seeds:
        folds = StratifiedKFold(choice.folds, shuffle=True, random_state=seed)
        for fit_at, hold_at in folds.split(rows, label):
            fit_rows, asked = rows[fit_at], np.concatenate([rows[hold_at], made])
            line = fit_logistic(choice.logistic, linear_x[fit_rows], label[fit_at])
            forest = fit_forest(choice, seed, tree_x.iloc[fit_rows], label[fit_at])
            a = line.decision_function(linear_x[asked].astype(np.float64))
            b = forest.predict(tree_x.iloc[asked], num_threads=1, raw_score=True)
            said = (1.0 - choice.tree_share) * a + choice.tree_share * b
            real[hold_at] += said[: len(hold_at)] / len(choice.seeds)
            unreal += said[len(hold_at) :] / (len(choice.seeds) * choice.folds)
    return real, unreal


def fit_forest(choice: Teacher, seed: int, x: pd.DataFrame, bad: np.ndarray) -> lgb.Booster:
    """The trees, boosted for a fixed number of rounds."""
    parameters = choice.trees.parameters(seed) | {"extra_trees": True}
    return lgb.train(parameters, lgb.Dataset(x, bad), num_boost_round=choice.rounds)
