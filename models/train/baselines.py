"""The two models to beat.

Both see what the net sees: the same fields and the same derived columns, fitted on the
training part only. Neither sees age or marital status.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")


@dataclass(frozen=True)
class Logistic:
    """Logistic regression: which inputs it takes, and the inverse strength of its L2 term."""

    inputs: str  # "standard" (standardised numbers) or "piecewise" (the net's own inputs)
    c: float


@dataclass(frozen=True)
class Trees:
    """LightGBM's settings; the number of rounds comes from early stopping."""

    leaves: int
    min_leaf: int
    rate: float
    columns: float
    l2: float
    depth: int = -1

    def parameters(self, seed: int) -> dict[str, object]:
        """As LightGBM names them; one thread and row-wise histograms keep runs identical."""
        return {
            "objective": "binary", "metric": "auc", "num_leaves": self.leaves,
            "max_depth": self.depth, "min_data_in_leaf": self.min_leaf,
            "learning_rate": self.rate, "feature_fraction": self.columns,
            "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": self.l2,
            "seed": seed, "deterministic": True, "force_row_wise": True,
            "num_threads": 1, "verbosity": -1,
        }  # fmt: skip


TREES = Trees(leaves=8, min_leaf=10, rate=0.02, columns=0.5, l2=5.0)
MODEL_SEED = 1  # of LightGBM, of the net and of the made rows, on every split


def fit_logistic(choice: Logistic, x: np.ndarray, bad: np.ndarray) -> LogisticRegression:
    """Fit one logistic regression."""
    model = LogisticRegression(C=choice.c, max_iter=2000, tol=1e-8)
    return model.fit(x.astype(np.float64), bad)


def standard_inputs(x: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Numbers imputed by the median and standardised on `rows`, categories one-hot."""
    parts: list[np.ndarray] = []
    for name in x.columns:
        column = x[name]
        if column.dtype == "category":
            parts.append(np.stack([(column == k).to_numpy(float) for k in column.cat.categories], 1))
            continue
        values = column.to_numpy(float)
        missing = np.isnan(values)
        values = np.where(missing, np.nanmedian(values[rows]), values)
        parts.append(((values - values[rows].mean()) / values[rows].std())[:, None])
        if missing[rows].any():
            parts.append(missing.astype(float)[:, None])
    return np.concatenate(parts, axis=1)


def tree_inputs(values: dict[str, np.ndarray], names: list[str]) -> pd.DataFrame:
    """Fields and derived columns as they are: LightGBM takes gaps and categories itself."""
    frame = pd.DataFrame({name: values[name] for name in names})
    for name in names:
        if frame[name].dtype == object or isinstance(frame[name].dtype, pd.StringDtype):
            frame[name] = pd.Categorical(frame[name], categories=sorted(set(frame[name].dropna())))
    return frame


def fit_trees(
    choice: Trees, seed: int, x: pd.DataFrame, bad: np.ndarray, rows: np.ndarray, stop: np.ndarray
) -> lgb.Booster:
    """Fit on `rows`, stopping early by the AUC on `stop`."""
    train = lgb.Dataset(x.iloc[rows], bad[rows], free_raw_data=False)
    held = lgb.Dataset(x.iloc[stop], bad[stop], reference=train, free_raw_data=False)
    return lgb.train(
        choice.parameters(seed), train, num_boost_round=3000, valid_sets=[held],
        callbacks=[lgb.early_stopping(150, verbose=False)],
    )  # fmt: skip
