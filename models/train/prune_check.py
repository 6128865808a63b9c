"""A rough copy of what the compiler will do to the net, to see what training prepared.

Half of each hidden layer is removed greedily with least-squares correction of the next
layer, on training rows; then weights and activations are rounded to int8. The compiler in
`models/src` is the one that counts; this only guides training.
"""

from __future__ import annotations

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]
RIDGE = 1e-4


def forward(layers: Layers, x: np.ndarray) -> np.ndarray:
    """Log-odds `[rows]` in float64."""
    h = x.astype(np.float64)
    for weight, bias in layers[:-1]:
        h = np.maximum(h @ weight.T + bias, 0.0)
    return (h @ layers[-1][0].T + layers[-1][1])[:, 0]


def prune(layers: Layers, x: np.ndarray, share: float = 0.5) -> Layers:
    """Remove `share` of every hidden layer's units, first layer first."""
    layers = list(layers)
    h = x.astype(np.float64)
    for at in range(len(layers) - 1):
        weight, bias = layers[at]
        h = np.maximum(h @ weight.T + bias, 0.0)
        kept, corrected = prune_units(h, layers[at + 1], round(len(bias) * (1.0 - share)))
        layers[at], layers[at + 1] = (weight[kept], bias[kept]), corrected
        h = h[:, kept]
    return layers


def prune_units(
    h: np.ndarray, following: tuple[np.ndarray, np.ndarray], keep: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Backward elimination: drop the unit whose loss, once the rest is refitted, is least.
    With the Gram matrix G that loss is |w_j|² / (G⁻¹)_jj (Hassibi and Stork 1993)."""
    weight, bias = following
    design = np.concatenate([h, np.ones((len(h), 1))], axis=1)
    gram = design.T @ design / len(h)
    pull = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    goal = gram @ np.concatenate([weight, bias[:, None]], axis=1).T
    goal += pull @ np.concatenate([weight, bias[:, None]], axis=1).T
    gram = gram + pull
    kept = np.arange(h.shape[1])
    while True:
        at = np.append(kept, h.shape[1])
        inverse = np.linalg.inv(gram[np.ix_(at, at)])
        solved = inverse @ goal[at]
        if len(kept) == keep:
            return kept, (solved[:-1].T, solved[-1])
        loss = (solved[:-1] ** 2).sum(axis=1) / np.diag(inverse)[:-1]
        kept = np.delete(kept, np.argmin(loss))


def quantised(layers: Layers, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Log-odds of `rows` with int8 weights per output and activations in 0..127, their
    ranges taken from `x` (peak for the inputs, 99.95th percentile inside)."""
    seen, h = x.astype(np.float64), rows.astype(np.float64)
    for at, (weight, bias) in enumerate(layers):
        peak = seen.max() if at == 0 else np.quantile(seen, 0.9995)
        step = peak / 127.0
        h = np.clip(np.rint(h / step), 0, 127) * step
        per_row = np.maximum(np.abs(weight).max(axis=1, keepdims=True), 1e-12) / 127.0
        rounded = np.rint(weight / per_row) * per_row
        last = at == len(layers) - 1
        seen = seen @ weight.T + bias
        h = h @ rounded.T + bias
        if not last:
            seen, h = np.maximum(seen, 0.0), np.maximum(h, 0.0)
    return h[:, 0]
