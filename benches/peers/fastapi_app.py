"""The peer as most people would write it: FastAPI, ONNX Runtime on one thread, a key, the same request and answer."""

import os
import secrets

import numpy as np
import onnxruntime
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options)
names = [output.name for output in session.get_outputs()]
first = session.get_inputs()[0].name
app = FastAPI()


class Table(BaseModel):
    columns: list[str]
    data: list[list[int]]


class Request(BaseModel):
    input_data: Table | list[list[float]]


@app.post("/score")
async def score(request: Request, authorization: str = Header("")):
    if not secrets.compare_digest(authorization, f"Bearer {os.environ['PEER_KEY']}"):
        raise HTTPException(401)
    table = request.input_data
    if isinstance(table, list):
        inputs = {first: np.array(table, dtype=np.float32)}
    else:
        rows = np.array(table.data, dtype=np.int64)
        inputs = {name: rows[:, i] for i, name in enumerate(table.columns)}
    return {name: values.tolist() for name, values in zip(names, session.run(None, inputs))}
