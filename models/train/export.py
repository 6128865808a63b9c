"""A PyTorch net as an ONNX file, the same bytes from any folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch


def plain(model: onnx.ModelProto) -> None:
    """Takes out the exporter's notes for people: stack traces that name the folders of a machine."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    for value in [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        value.doc_string = ""
        del value.metadata_props[:]


def fitted(path: Path, by: str, features: dict[str, dict[str, object]]) -> None:
    """A recipe's fitted numbers, feature by feature."""
    lines = [f"# Fitted on the training part by models/train/{by}; not edited by hand.", ""]
    for name, own in features.items():
        lines += [f"[features.{name}]", *(f"{key} = {value}" for key, value in own.items()), ""]
    path.write_text("\n".join(lines[:-1]) + "\n")


def export(net: torch.nn.Module, rows: dict[str, np.ndarray], expected: np.ndarray, path: Path) -> None:
    """Writes a net of one output, opset 18, with a dynamic batch axis, and holds it against its own answers for `rows`, its
    inputs by the names of `forward`'s arguments."""
    some = tuple(torch.from_numpy(value[:2]) for value in rows.values())
    axes = {name: {0: torch.export.Dim("batch")} for name in rows}
    torch.onnx.export(
        net, some, path, opset_version=18, input_names=list(rows), output_names=["logit"],
        dynamic_shapes=axes, dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    model = onnx.load(path)
    plain(model)
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    again = session.run(None, rows)[0][:, 0]
    assert np.abs(again - expected).max() < 1e-4, "the file gives other log-odds"
