"""Judge the net's method inside the training and validation parts; no test row is looked at.

    python inside.py            # about five minutes on two cores

The rows of a split that are not its test part are cut in four; each quarter is scored once
by models that learned from the other three, which are as many rows as a training part. Nothing
is chosen on the quarter held out: the net's epochs and LightGBM's rounds are fixed. Five
splits make twenty quarters, and the net and LightGBM are compared on each.
"""

from __future__ import annotations

from multiprocessing import Pool

import lightgbm as lgb
import numpy as np
from sklearn.model_selection import StratifiedKFold

import baselines
import data
import features
import metrics
import net
import prune_check
import student
import train

QUARTERS = 4
FOLD_SEED = 700  # plus the number of the split
TREE_ROUNDS = 342  # the mean of LightGBM's early stopping over the splits
SHOWN = ("lightgbm", "net", "int8")


def judge(number: int, quarter: int) -> list[float]:
    """AUC on one quarter of LightGBM, of the net, and of the net halved and in int8."""
    table = data.read_table(data.ZOO / "data.csv")
    recipe = features.read_recipe(data.ZOO / "recipe.toml")
    part = data.make_splits(table["status"].to_numpy(object))[f"split_{number}"]
    bad = (table["status"] == "bad").to_numpy(np.float64)
    rows = np.flatnonzero(part != "test")
    cuts = StratifiedKFold(QUARTERS, shuffle=True, random_state=FOLD_SEED + number)
    fit, held = (rows[at] for at in list(cuts.split(rows, bad[rows]))[quarter])
    names = [*data.FIELDS, *recipe["columns"]]
    tree_x = baselines.tree_inputs(features.columns(recipe, table), names)
    settings = train.TREES.parameters(train.MODEL_SEED)
    trees = lgb.train(settings, lgb.Dataset(tree_x.iloc[fit], bad[fit]), TREE_ROUNDS)
    pupil = student.distil(train.METHOD, recipe, table, bad, fit)
    x = pupil.matrix
    halved = prune_check.prune(net.weights(pupil.model), x[fit])
    scores = (
        trees.predict(tree_x.iloc[held], num_threads=1),
        net.predict(pupil.model, x[held]),
        prune_check.quantised(halved, x[fit], x[held]),
    )
    return [metrics.auc(bad[held], score) for score in scores]


def main() -> None:
    """Print every quarter, then the means and the paired differences from LightGBM."""
    tasks = [(split, quarter) for split in range(1, 6) for quarter in range(QUARTERS)]
    with Pool(2) as pool:
        found = np.array(pool.starmap(judge, tasks, chunksize=1))
    for (split, quarter), row in zip(tasks, found, strict=True):
        print(split, quarter + 1, *(f"{value:.4f}" for value in row))
    for name, column in zip(SHOWN, found.T, strict=True):
        ahead = column - found[:, 0]
        print(f"{name:9} {column.mean():.5f} {ahead.mean():+.5f} wins {np.sum(ahead > 0)}/{len(ahead)}")


if __name__ == "__main__":
    main()
