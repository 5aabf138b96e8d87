"""The same model as a scoring script for azureml-inference-server-http, the server inside Azure's images."""

import json
import os

import numpy as np
import onnxruntime


def init():
    global session, names, first
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options)
    names = [output.name for output in session.get_outputs()]
    first = session.get_inputs()[0].name


def run(raw_data):
    table = json.loads(raw_data)["input_data"]
    if isinstance(table, list):
        inputs = {first: np.array(table, dtype=np.float32)}
    else:
        rows = np.array(table["data"], dtype=np.int64)
        inputs = {name: rows[:, i] for i, name in enumerate(table["columns"])}
    return {name: values.tolist() for name, values in zip(names, session.run(None, inputs))}
