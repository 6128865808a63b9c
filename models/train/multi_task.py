"""A small net with two heads, trained with NumPy alone, and its way into ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Layers = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class MultiTask:
    """Its hyper-parameters."""

    first: int
    second: int
    second_task: float  # what the second head's loss counts for
    rate: float
    decay: float
    batch: int
    epochs: int
    average: float  # momentum of the running average of the weights, per step


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Probability of log-odds."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def forward(layers: Layers, x: np.ndarray) -> list[np.ndarray]:
    """What each layer makes of `x`; ReLU between, the last as it is: log-odds of both tasks."""
    values = [x]
    for number, (weight, bias) in enumerate(layers):
        out = values[-1] @ weight + bias
        values.append(np.maximum(out, 0.0) if number + 1 < len(layers) else out)
    return values


def train(choice: MultiTask, seed: int, x: np.ndarray, targets: np.ndarray) -> Layers:
    """AdamW on soft targets `[rows, 2]`, one cycle of the rate; the averaged weights."""
    rng = np.random.Generator(np.random.PCG64(seed))
    widths = [x.shape[1], choice.first, choice.second, 2]
    layers = [
        (rng.normal(0.0, np.sqrt(2.0 / a), (a, b)), np.zeros(b))
        for a, b in zip(widths, widths[1:], strict=False)
    ]
    mean = [tuple(part.copy() for part in layer) for layer in layers]
    state = [tuple((np.zeros_like(p), np.zeros_like(p)) for p in layer) for layer in layers]
    steps, step = choice.epochs * -(-len(x) // choice.batch), 0
    share = np.array([1.0, choice.second_task])
    for _ in range(choice.epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), choice.batch):
            rows = order[start : start + choice.batch]
            step += 1
            at = step / steps
            rate = choice.rate * (at / 0.1 if at < 0.1 else 0.5 * (1.0 + np.cos(np.pi * (at - 0.1) / 0.9)))
            values = forward(layers, x[rows])
            slope = (sigmoid(values[-1]) - targets[rows]) * share / len(rows)
            for number in reversed(range(len(layers))):
                weight, bias = layers[number]
                gradients = (values[number].T @ slope, slope.sum(axis=0))
                slope = (slope @ weight.T) * (values[number] > 0.0)
                for part, gradient, (first, second) in zip(
                    (weight, bias), gradients, state[number], strict=True
                ):
                    first += 0.1 * (gradient - first)
                    second += 0.001 * (gradient**2 - second)
                    lead = first / (1.0 - 0.9**step) / (np.sqrt(second / (1.0 - 0.999**step)) + 1e-8)
                    decay = choice.decay * part if part.ndim == 2 else 0.0
                    part -= rate * (lead + decay)
                for slow, fast in zip(mean[number], (weight, bias), strict=True):
                    slow += (1.0 - choice.average) * (fast - slow)
    return mean


def export(layers: Layers, names: tuple[str, str], path: Path) -> None:
    """Write one ONNX file: `features` in, `logits` of both tasks out."""
    nodes, constants, last = [], [], "features"
    for number, (weight, bias) in enumerate(layers):
        end = number + 1 == len(layers)
        name = "heads" if end else f"layer_{number + 1}"
        constants += [
            numpy_helper.from_array(weight.astype(np.float32), f"{name}.weight"),
            numpy_helper.from_array(bias.astype(np.float32), f"{name}.bias"),
        ]
        out = "logits" if end else f"{name}.sum"
        nodes.append(helper.make_node("Gemm", [last, f"{name}.weight", f"{name}.bias"], [out], name))
        last = out
        if not end:
            nodes.append(helper.make_node("Relu", [out], [f"{name}.relu"], f"{name}.relu"))
            last = f"{name}.relu"
    graph = helper.make_graph(
        nodes, " and ".join(names),
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", layers[0][0].shape[0]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
