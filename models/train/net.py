"""The small net: its shape, how it is trained, and its way into ONNX."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

logging.getLogger("torch.onnx").setLevel(logging.ERROR)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


@dataclass(frozen=True)
class Net:
    """The net's hyper-parameters."""

    first: int
    second: int
    label_share: float  # of a real row: target = label_share × label + the rest × teacher
    rate: float
    decay: float
    dropout: float
    batch: int
    epochs: int
    average: float  # momentum of the running average of the weights, per step
    sparse: float  # strength of the push on the weaker half of each layer's units
    jitter: float  # noise on hidden units while training, as a share of each unit's peak


class Mlp(nn.Module):
    """F → first → second → 1, ReLU between; the output is the log-odds of bad."""

    def __init__(self, inputs: int, first: int, second: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(inputs, first), nn.Linear(first, second), nn.Linear(second, 1)]
        )
        self.dropout = 0.0
        self.jitter = 0.0

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Log-odds `[rows, 1]` of features `[rows, F]`."""
        x = features
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
            if self.training:
                x = self.disturb(x)
        return self.layers[-1](x)

    def disturb(self, x: torch.Tensor) -> torch.Tensor:
        """Dropout and noise on hidden units, in training only."""
        if self.jitter > 0.0:
            peak = x.detach().amax(dim=0, keepdim=True)
            x = x + self.jitter * peak * torch.randn_like(x)
        return nn.functional.dropout(x, self.dropout)


def shrink_weaker_half(model: Mlp, amount: float) -> None:
    """A proximal step of a group lasso on the weaker half of each hidden layer's units.

    A unit's strength is |incoming| × |outgoing|, which rescaling a ReLU unit leaves alone.
    The stronger half is free, so what the net has to say gathers there, and the units that
    pruning will take away come to carry next to nothing.
    """
    with torch.no_grad():
        for layer, following in zip(model.layers[:-1], model.layers[1:], strict=True):
            incoming = torch.cat([layer.weight, layer.bias[:, None]], dim=1).norm(dim=1)
            strength = incoming * following.weight.norm(dim=0)
            weaker = strength <= strength.median()
            keep = (1.0 - amount / strength.clamp_min(1e-12)).clamp_min(0.0)
            factor = torch.where(weaker, keep, torch.ones_like(keep))
            following.weight *= factor[None, :]


def train_net(choice: Net, seed: int, x: np.ndarray, target: np.ndarray) -> Mlp:
    """Train on soft targets for a fixed number of epochs; return the averaged weights."""
    torch.manual_seed(seed)
    model = Mlp(x.shape[1], choice.first, choice.second)
    model.dropout, model.jitter = choice.dropout, choice.jitter
    mean = copy.deepcopy(model).eval()
    steps = -(-len(x) // choice.batch)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=choice.rate, weight_decay=choice.decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, choice.rate, epochs=choice.epochs, steps_per_epoch=steps, pct_start=0.1
    )
    inputs, targets = torch.from_numpy(x), torch.from_numpy(target.astype(np.float32))[:, None]
    slow, fast = list(mean.parameters()), list(model.parameters())
    model.train()
    for _ in range(choice.epochs):
        for at in torch.randperm(len(x)).split(choice.batch):
            loss = nn.functional.binary_cross_entropy_with_logits(model(inputs[at]), targets[at])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            if choice.sparse > 0.0:
                shrink_weaker_half(model, choice.sparse * schedule.get_last_lr()[0])
            with torch.no_grad():
                torch._foreach_lerp_(slow, fast, 1.0 - choice.average)
    return mean


def equalise(model: Mlp, x: np.ndarray) -> None:
    """Rescale hidden units so that each peaks at 1 on `x`; the function stays the same.

    A ReLU unit's scale can move into the next layer (Nagel et al. 2019, section 4.1). With
    one scale per layer in int8, every unit then uses the whole range.
    """
    with torch.no_grad():
        h = torch.from_numpy(x)
        for layer, following in zip(model.layers[:-1], model.layers[1:], strict=True):
            h = torch.relu(layer(h))
            peak = h.quantile(0.9995, dim=0)
            peak = torch.where(peak > 1e-6, peak, torch.ones_like(peak))
            layer.weight /= peak[:, None]
            layer.bias /= peak
            following.weight *= peak[None, :]
            h = h / peak


def predict(model: Mlp, x: np.ndarray) -> np.ndarray:
    """Log-odds of bad, float64 `[rows]`."""
    with torch.no_grad():
        return model.eval()(torch.from_numpy(x))[:, 0].numpy().astype(np.float64)


def weights(model: Mlp) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight `[out, in]` and bias `[out]` of each layer, float64."""
    return [
        (layer.weight.detach().numpy().astype(np.float64), layer.bias.detach().numpy().astype(np.float64))
        for layer in model.layers
    ]


def export(model: Mlp, inputs: int, path: Path) -> None:
    """Write one ONNX file, weights inside, without the exporter's notes about this machine."""
    program = torch.onnx.export(
        model.eval(),
        (torch.zeros(2, inputs),),
        input_names=["features"],
        output_names=["logit"],
        opset_version=18,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        verbose=False,
    )
    proto = program.model_proto
    for holder in (proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.output,
                   *proto.graph.value_info, *proto.graph.initializer):  # fmt: skip
        holder.doc_string = ""
        del holder.metadata_props[:]
    del proto.metadata_props[:]
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
