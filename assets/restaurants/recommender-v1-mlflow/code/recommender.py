"""The recommender as plain Python: what the pickle and the MLflow model hold. numpy is all it needs."""

import pickle

import numpy as np

TOP = 5
COLUMNS = ["user", "last_restaurant", "hour"]


class Recommender:
    """Adds up three opinions: the guest's taste, the last restaurant, and what is popular at that hour."""

    def __init__(self, weights):
        self.weights = weights

    def recommend(self, user, last_restaurant, hour):
        """The five best restaurants and their probabilities, a row a request."""
        w = self.weights
        joined = np.concatenate([w["guest_factor"][user], w["last_factor"][last_restaurant]], axis=1)
        logits = joined @ w["place_factor"] + w["popularity"][hour]
        chance = np.exp(logits - logits.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        best = np.argsort(-chance, axis=1, kind="stable")[:, :TOP]
        return {"restaurant": best.tolist(), "score": np.take_along_axis(chance, best, axis=1).tolist()}

    def predict(self, model_input, params=None):
        """As MLflow calls it: a frame with the three columns."""
        return self.recommend(*(model_input[name].to_numpy() for name in COLUMNS))

    # Plain bytes instead of arrays: the file is the same whatever version of numpy writes it, and any version reads it.
    def __getstate__(self):
        return {name: (array.shape, array.astype("<f4").tobytes()) for name, array in self.weights.items()}

    def __setstate__(self, state):
        self.weights = {name: np.frombuffer(data, "<f4").reshape(shape) for name, (shape, data) in state.items()}


def _load_pyfunc(path):
    """MLflow calls this with the path of the model's data."""
    with open(path, "rb") as file:
        return pickle.load(file)
