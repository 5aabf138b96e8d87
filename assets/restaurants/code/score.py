"""The scoring script of the pickled recommender: the same requests and answers as the ONNX file."""

import json
import os
import pickle

import numpy as np

model = None


def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "recommender-v1.pkl"), "rb") as file:
        model = pickle.load(file)


def run(data):
    asked = json.loads(data)["input_data"]
    columns = dict(zip(asked["columns"], np.array(asked["data"]).T))
    return model.recommend(columns["user"], columns["last_restaurant"], columns["hour"])
