"""Train LightGBM on the credit data's split_1 with monotone constraints, for the tests of proofs.

    python credit_monotone.py

Writes `models/tests/soundness/trees/model.txt`: a hundred small trees whose probability of a bad loan
never rises with seniority, income or assets and never falls with debt or expenses. Two runs write the
same file.
"""

from __future__ import annotations

from pathlib import Path

import lightgbm as lgb
import numpy as np

import baselines
import data
import features
import metrics

OUT = Path(__file__).parents[1] / "tests" / "soundness" / "trees" / "model.txt"
WAYS = {"seniority": -1, "income": -1, "assets": -1, "spare": -1, "debt": 1, "expenses": 1}


def main() -> None:
    """Train, write, show the validation part's figures."""
    table = data.read_table(data.ZOO / "data.csv")
    recipe = features.read_recipe(data.ZOO / "recipe.toml")
    part = data.make_splits(table["status"].to_numpy(object))["split_1"]
    bad = (table["status"] == "bad").to_numpy(np.float64)
    rows, held = (np.flatnonzero(part == name) for name in ("train", "validation"))
    names = [*data.FIELDS, *recipe["columns"]]
    x = baselines.tree_inputs(features.columns(recipe, table), names)
    choice = baselines.Trees(leaves=8, min_leaf=10, rate=0.08, columns=0.5, l2=5.0)
    parameters = choice.parameters(baselines.MODEL_SEED)
    parameters["monotone_constraints"] = [WAYS.get(name, 0) for name in names]
    trees = lgb.train(parameters, lgb.Dataset(x.iloc[rows], bad[rows]), num_boost_round=100)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    trees.save_model(OUT)
    print(metrics.summary(bad[held], trees.predict(x.iloc[held], num_threads=1)))


if __name__ == "__main__":
    main()
