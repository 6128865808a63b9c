"""Train LightGBM on the credit data's split_1 and write `models/zoo/credit-lightgbm/model.txt`.

    python credit_lightgbm.py

The settings are the baseline's of `train.py`, fixed there on validation parts; rounds come from early
stopping on the validation part. Two runs write the same file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import baselines
import data
import features
import metrics

OUT = data.ZOO.parent / "credit-lightgbm"


def main() -> None:
    """Train, write, show the validation part's figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    table = data.read_table(data.ZOO / "data.csv")
    recipe = features.read_recipe(data.ZOO / "recipe.toml")
    part = data.make_splits(table["status"].to_numpy(object))["split_1"]
    bad = (table["status"] == "bad").to_numpy(np.float64)
    rows, held = (np.flatnonzero(part == name) for name in ("train", "validation"))
    values = features.columns(recipe, table)
    x = baselines.tree_inputs(values, [*data.FIELDS, *recipe["columns"]])
    trees = baselines.fit_trees(baselines.TREES, baselines.MODEL_SEED, x, bad, rows, held)
    # The best round is what is saved.
    trees.save_model(out / "model.txt")
    predicted = trees.predict(x.iloc[held], num_threads=1)
    print(trees.best_iteration, "rounds", metrics.summary(bad[held], predicted))


if __name__ == "__main__":
    main()
