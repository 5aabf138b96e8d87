"""What the three training scripts share: a small optimiser and the writing of files that are the same on every machine.

Training runs in float64 and every weight is rounded to a grid of 1/1024 before it is written. The last bits of a sum
differ between processors; the rounded weights do not, so the committed files can be compared byte by byte.
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GRID = 1024.0
OPSET = 13
IR_VERSION = 8


def on_grid(weights):
    """The weights as float32, each a multiple of 1/1024 (exact in float32)."""
    return (np.round(np.asarray(weights, dtype=np.float64) * GRID) / GRID).astype(np.float32) + np.float32(0.0)


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


class Adam:
    """Adam over a dict of arrays, updated in place."""

    def __init__(self, weights, rate):
        self.weights, self.rate, self.step = weights, rate, 0
        self.mean = {name: np.zeros_like(value) for name, value in weights.items()}
        self.square = {name: np.zeros_like(value) for name, value in weights.items()}

    def update(self, gradients):
        self.step += 1
        for name, gradient in gradients.items():
            self.mean[name] = 0.9 * self.mean[name] + 0.1 * gradient
            self.square[name] = 0.999 * self.square[name] + 0.001 * gradient**2
            mean = self.mean[name] / (1 - 0.9**self.step)
            square = self.square[name] / (1 - 0.999**self.step)
            self.weights[name] -= self.rate * mean / (np.sqrt(square) + 1e-8)


def tensor(name, values):
    """An initialiser: float64 becomes float32 on the grid, integers stay as they are."""
    values = np.asarray(values)
    return numpy_helper.from_array(on_grid(values) if values.dtype.kind == "f" else values, name)


def value(name, kind, shape):
    """A graph input or output; a string in `shape` is a size chosen by the caller."""
    return helper.make_tensor_value_info(name, {"f": TensorProto.FLOAT, "i": TensorProto.INT64}[kind], shape)


def save_model(path, name, doc, nodes, inputs, outputs, initialisers):
    graph = helper.make_graph(nodes, name, inputs, outputs, initialisers)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="mlconsole-samples",
        doc_string=doc,
    )
    onnx.checker.check_model(model, full_check=True)
    pathlib.Path(path).write_bytes(model.SerializeToString(deterministic=True))


def save_json(path, document):
    """A list is written one item a line, so that a change of one answer is a change of one line."""
    write = lambda item: json.dumps(item, ensure_ascii=False)  # noqa: E731
    text = "[\n" + ",\n".join(map(write, document)) + "\n]" if isinstance(document, list) else write(document)
    pathlib.Path(path).write_text(text + "\n", encoding="utf-8")


def rounded(array, digits=4):
    """Nested lists fit for an answer file: compare with a tolerance of one unit of the last digit."""
    return np.round(np.asarray(array, dtype=np.float64), digits).tolist()
