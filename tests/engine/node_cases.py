"""Writes the node tests of the published `onnx` package in a form a Rust test can read without protobuf.

    python tests/engine/node_cases.py OUT

OUT gets `<case>.onnx` and `<case>.json` for each case whose inputs and outputs are all tensors:
{"name", "ops": ["Conv", …], "opset", "rtol", "atol", "sets": [{"inputs": [TENSOR, …], "outputs": [TENSOR, …]}]}
TENSOR is {"name", "datatype" (Open Inference Protocol: FP32, INT64, BYTES, …), "shape", "data": base64 of little-endian raw
values, or "strings": [base64 of UTF-8, …]}. `skipped.json` lists the other cases with the reason: sequences, optionals, element types
outside the protocol. The last line printed says how many of each there are.
"""

import base64
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

DATATYPES = {
    "float32": "FP32", "float64": "FP64", "float16": "FP16", "bool": "BOOL",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}  # fmt: skip


class NotATensor(Exception):
    """Why a value cannot be sent as a tensor of the protocol."""


def encode(info, value):
    if isinstance(value, onnx.TensorProto):
        value = numpy_helper.to_array(value)
    if not info.type.HasField("tensor_type") or not isinstance(value, (np.ndarray, np.generic)):
        raise NotATensor(f"{info.name} is a {info.type.WhichOneof('value')}")
    value = np.asarray(value)
    head = {"name": info.name, "shape": list(value.shape)}
    if value.dtype.kind in "OUS":
        texts = [text if isinstance(text, bytes) else str(text).encode() for text in value.reshape(-1).tolist()]
        return head | {"datatype": "BYTES", "strings": [base64.b64encode(text).decode() for text in texts]}
    if str(value.dtype) not in DATATYPES:
        raise NotATensor(f"{info.name} holds {value.dtype}")
    raw = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).tobytes()
    return head | {"datatype": DATATYPES[str(value.dtype)], "data": base64.b64encode(raw).decode()}


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    written, skipped = 0, {}
    for case in collect_testcases():
        graph = case.model.graph
        try:
            sets = []
            for inputs, outputs in case.data_sets:
                if len(inputs) != len(graph.input) or len(outputs) != len(graph.output):
                    raise NotATensor("inputs or outputs are left out")
                sets.append({
                    "inputs": [encode(info, value) for info, value in zip(graph.input, inputs)],
                    "outputs": [encode(info, value) for info, value in zip(graph.output, outputs)],
                })  # fmt: skip
        except NotATensor as reason:
            skipped[case.name] = str(reason)
            continue
        opsets = {entry.domain: entry.version for entry in case.model.opset_import}
        document = {
            "name": case.name,
            "ops": sorted({node.op_type for node in graph.node}),
            "opset": opsets.get("", 0),
            "rtol": case.rtol,
            "atol": case.atol,
            "sets": sets,
        }
        (out / f"{case.name}.onnx").write_bytes(case.model.SerializeToString())
        (out / f"{case.name}.json").write_text(json.dumps(document))
        written += 1
    (out / "skipped.json").write_text(json.dumps(skipped, indent=1, sort_keys=True))
    print(f"{written} cases, {len(skipped)} skipped")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(pathlib.Path(sys.argv[1]))
