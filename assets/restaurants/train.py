"""Trains the two restaurant recommenders and writes every generated file of this folder.

    python assets/restaurants/train.py [--out DIR]

v1 (blue) adds three independent opinions: the guest's taste, the last restaurant, and what is popular at that hour.
v2 (green) is a two-layer network over the same three inputs, so it can learn that at lunch the place matters and at
dinner the taste; to its opinion it adds where guests with a similar taste went at that time of day. Both answer with
the five best restaurants and their probabilities. Green is right more often, and works many times as hard for each guest.
"""

import argparse
import pathlib
import pickle
import shutil
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE / "code")]

import recommender  # noqa: E402
import world  # noqa: E402
from common import Adam, on_grid, rounded, save_json, save_model, softmax, tensor, value  # noqa: E402
from onnx import helper  # noqa: E402

TOP = 5
BATCH = 1200
USER, LAST, HOUR = 12, 12, 6  # widths of the three embeddings of v2
HIDDEN = 64
OTHERS = 16.0  # weight of what similar guests did, beside the network's opinion
ALIKE_TASTE, ALIKE_HOUR = 2.0, 6.0  # how close a guest's taste and the time of day have to be
FACTORS = 2  # width of the two factor tables of v1


def scatter(shape, index, rows):
    """Gradient of a table that was read by `table[index]`."""
    table = np.zeros(shape)
    np.add.at(table, index, rows)
    return table


class Blue:
    """Sum of a guest factor, a last-restaurant factor and a table of popularity by hour."""

    epochs, rate, decay = 10, 0.02, 3e-5

    def __init__(self, places, rng):
        self.w = {
            "guest_factor": rng.normal(0, 0.1, (world.GUESTS, FACTORS)),
            "last_factor": rng.normal(0, 0.1, (places, FACTORS)),
            "place_factor": rng.normal(0, 0.1, (2 * FACTORS, places)),
            "popularity": np.zeros((world.HOURS, places)),
        }

    def logits(self, w, user, last, hour):
        joined = np.concatenate([w["guest_factor"][user], w["last_factor"][last]], axis=1)
        return joined, joined @ w["place_factor"] + w["popularity"][hour]

    def gradients(self, user, last, hour, chosen):
        joined, logits = self.logits(self.w, user, last, hour)
        error = softmax(logits)
        error[np.arange(len(user)), chosen] -= 1
        error /= len(user)
        back = error @ self.w["place_factor"].T
        return {
            "guest_factor": scatter(self.w["guest_factor"].shape, user, back[:, :FACTORS]),
            "last_factor": scatter(self.w["last_factor"].shape, last, back[:, FACTORS:]),
            "place_factor": joined.T @ error,
            "popularity": scatter(self.w["popularity"].shape, hour, error),
        }

    def finish(self, weights, visits):
        """Nothing but the trained weights is needed."""

    def nodes(self):
        return [
            helper.make_node("Gather", ["guest_factor", "user"], ["guest"], name="guest_taste"),
            helper.make_node("Gather", ["last_factor", "last_restaurant"], ["place"], name="where_from"),
            helper.make_node("Concat", ["guest", "place"], ["joined"], name="join", axis=1),
            helper.make_node("MatMul", ["joined", "place_factor"], ["affinity"], name="affinity"),
            helper.make_node("Gather", ["popularity", "hour"], ["popular"], name="popular_now"),
            helper.make_node("Add", ["affinity", "popular"], ["logits"], name="add_up"),
        ]


def part_of_day(hour):
    """0: morning, 1: lunch, 2: dinner, 3: night."""
    return 0 if 5 <= hour < 11 else 1 if 11 <= hour < 16 else 2 if 16 <= hour < 22 else 3


class Green:
    """Three embeddings, one hidden layer, one score a restaurant; and where guests with a similar taste went then."""

    epochs, rate, decay = 30, 0.004, 3e-4

    def __init__(self, places, rng):
        width = USER + LAST + HOUR
        self.w = {
            "guest_embedding": rng.normal(0, 0.3, (world.GUESTS, USER)),
            "last_embedding": rng.normal(0, 0.3, (places, LAST)),
            "hour_embedding": rng.normal(0, 0.3, (world.HOURS, HOUR)),
            "hidden_weight": rng.normal(0, np.sqrt(2 / width), (width, HIDDEN)),
            "hidden_bias": np.zeros(HIDDEN),
            "score_weight": rng.normal(0, np.sqrt(1 / HIDDEN), (HIDDEN, places)),
            "score_bias": np.zeros(places),
        }

    def network(self, w, user, last, hour):
        joined = np.concatenate([w["guest_embedding"][user], w["last_embedding"][last], w["hour_embedding"][hour]], axis=1)
        hidden = np.maximum(joined @ w["hidden_weight"] + w["hidden_bias"], 0)
        return (joined, hidden), hidden @ w["score_weight"] + w["score_bias"]

    def logits(self, w, user, last, hour):
        parts, logits = self.network(w, user, last, hour)
        asked = np.concatenate([w["guest_embedding"][user], w["hour_embedding"][hour]], axis=1)
        return parts, logits + softmax(asked @ w["occasions"].T) @ w["choices"]

    def finish(self, weights, visits):
        """An occasion is a guest at a time of day; its choices are the shares of the restaurants visited then."""
        parts = np.array([part_of_day(hour) for hour in range(world.HOURS)])
        count = parts.max() + 1
        counts = np.zeros((count, world.GUESTS, weights["score_bias"].size))
        np.add.at(counts, (parts[visits[:, 2]], visits[:, 0], visits[:, 3]), 1)
        counts = counts.reshape(count * world.GUESTS, -1)
        times = np.stack([weights["hour_embedding"][parts == part].mean(axis=0) for part in range(count)])
        guests = np.tile(weights["guest_embedding"], (count, 1))
        keys = np.concatenate([ALIKE_TASTE * guests, ALIKE_HOUR * np.repeat(times, world.GUESTS, axis=0)], axis=1)
        weights["occasions"] = on_grid(keys)
        weights["choices"] = on_grid(OTHERS * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))

    def gradients(self, user, last, hour, chosen):
        (joined, hidden), logits = self.network(self.w, user, last, hour)
        error = softmax(logits)
        error[np.arange(len(user)), chosen] -= 1
        error /= len(user)
        back_hidden = (error @ self.w["score_weight"].T) * (hidden > 0)
        back = back_hidden @ self.w["hidden_weight"].T
        return {
            "guest_embedding": scatter(self.w["guest_embedding"].shape, user, back[:, :USER]),
            "last_embedding": scatter(self.w["last_embedding"].shape, last, back[:, USER : USER + LAST]),
            "hour_embedding": scatter(self.w["hour_embedding"].shape, hour, back[:, USER + LAST :]),
            "hidden_weight": joined.T @ back_hidden,
            "hidden_bias": back_hidden.sum(axis=0),
            "score_weight": hidden.T @ error,
            "score_bias": error.sum(axis=0),
        }

    def nodes(self):
        return [
            helper.make_node("Gather", ["guest_embedding", "user"], ["guest"], name="guest"),
            helper.make_node("Gather", ["last_embedding", "last_restaurant"], ["place"], name="where_from"),
            helper.make_node("Gather", ["hour_embedding", "hour"], ["time"], name="time_of_day"),
            helper.make_node("Concat", ["guest", "place", "time"], ["joined"], name="join", axis=1),
            helper.make_node("Gemm", ["joined", "hidden_weight", "hidden_bias"], ["mixed"], name="hidden"),
            helper.make_node("Relu", ["mixed"], ["active"], name="relu"),
            helper.make_node("Gemm", ["active", "score_weight", "score_bias"], ["opinion"], name="scores"),
            helper.make_node("Concat", ["guest", "time"], ["asked"], name="occasion", axis=1),
            helper.make_node("Gemm", ["asked", "occasions"], ["likeness"], name="likeness", transB=1),
            helper.make_node("Softmax", ["likeness"], ["alike"], name="alike", axis=1),
            helper.make_node("MatMul", ["alike", "choices"], ["others"], name="what_others_chose"),
            helper.make_node("Add", ["opinion", "others"], ["logits"], name="add_up"),
        ]


def train(model, visits, rng):
    optimiser = Adam(model.w, model.rate)
    for _ in range(model.epochs):
        order = rng.permutation(len(visits))
        for start in range(0, len(order), BATCH):
            batch = visits[order[start : start + BATCH]]
            gradients = model.gradients(*batch.T)
            for name in gradients:
                gradients[name] = gradients[name] + model.decay * model.w[name]
            optimiser.update(gradients)
    return {name: on_grid(weights) for name, weights in model.w.items()}


def answer(model, weights, user, last, hour):
    """The five best restaurants and their probabilities, as the ONNX file computes them."""
    chance = softmax(model.logits(weights, np.asarray(user), np.asarray(last), np.asarray(hour))[1])
    best = np.argsort(-chance, axis=1, kind="stable")[:, :TOP]
    return best, np.take_along_axis(chance, best, axis=1)


def quality(model, weights, visits):
    """(hit rate, NDCG) among the first five, over held-out visits."""
    user, last, hour, chosen = visits.T
    best, _ = answer(model, weights, user, last, hour)
    hits = best == chosen[:, None]
    return float(hits.any(axis=1).mean()), float((hits / np.log2(np.arange(2, TOP + 2))).sum(axis=1).mean())


def write_onnx(path, model, weights, name, doc):
    nodes = model.nodes() + [
        helper.make_node("Softmax", ["logits"], ["chance"], name="chance", axis=1),
        helper.make_node("TopK", ["chance", "top"], ["score", "restaurant"], name="best_five", axis=1, largest=1, sorted=1),
    ]
    save_model(
        path,
        name,
        doc,
        nodes,
        [value(n, "i", ["batch"]) for n in ("user", "last_restaurant", "hour")],
        [value("restaurant", "i", ["batch", TOP]), value("score", "f", ["batch", TOP])],
        [tensor(n, w) for n, w in weights.items()] + [tensor("top", np.array([TOP], dtype=np.int64))],
    )


MLMODEL = """\
flavors:
  python_function:
    code: code
    data: recommender-v1.pkl
    env:
      conda: conda.yaml
    loader_module: recommender
    python_version: 3.11.7
mlflow_version: 3.17.2
saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  serving_input_path: serving_input_example.json
  type: dataframe
signature:
  inputs: '[{"type": "long", "name": "user", "required": true}, {"type": "long", "name": "last_restaurant", "required": true},
    {"type": "long", "name": "hour", "required": true}]'
  outputs: null
  params: null
"""
CONDA = """\
channels:
- conda-forge
dependencies:
- python>=3.10,<3.13
- pip
- pip:
  - mlflow==3.17.2
  - numpy==2.2.6
  - pandas==2.3.3
name: mlflow-env
"""
NEEDS = [line.removeprefix("  - ") for line in CONDA.splitlines() if "==" in line]


def write_python(out, weights):
    """The first version as a pickle, and as the MLflow model around that pickle."""
    pickled = pickle.dumps(recommender.Recommender(weights), protocol=4)
    (out / "recommender-v1.pkl").write_bytes(pickled)
    folder = out / "recommender-v1-mlflow"
    (folder / "code").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "code" / "recommender.py", folder / "code" / "recommender.py")
    (folder / "recommender-v1.pkl").write_bytes(pickled)
    example = {"columns": recommender.COLUMNS, "data": REQUESTS[0][1]}
    save_json(folder / "input_example.json", example)
    save_json(folder / "serving_input_example.json", {"dataframe_split": example})
    for name, text in [("MLmodel", MLMODEL), ("conda.yaml", CONDA), ("requirements.txt", "\n".join(NEEDS))]:
        (folder / name).write_text(text, encoding="utf-8")


REQUESTS = [
    ("one guest at lunch", [[17, 42, 12]]),
    ("the same guest at dinner", [[17, 42, 20]]),
    ("early coffee", [[3, 65, 8]]),
    ("late at night", [[251, 10, 23]]),
    ("a table of three", [[5, 0, 19], [118, 0, 19], [399, 95, 19]]),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="folder to write to (default: beside this script)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    places = world.restaurants()
    visits, held_out = world.visits()
    stories = []
    for number, (colour, kind) in enumerate([("blue", Blue), ("green", Green)], start=1):
        rng = np.random.default_rng(world.SEED + 10 + number)
        model = kind(len(places), rng)
        weights = train(model, visits, rng)
        model.finish(weights, visits)
        hit_rate, ndcg = quality(model, weights, held_out)
        print(f"v{number} ({colour}): hit rate@5 {hit_rate:.3f}, NDCG@5 {ndcg:.3f} on {len(held_out)} held-out visits")
        doc = f"{kind.__doc__} Hit rate@5 {hit_rate:.3f} on {len(held_out)} held-out visits."
        write_onnx(out / f"recommender-v{number}.onnx", model, weights, f"restaurant_recommender_v{number}", doc)
        stories.append((colour, model, weights))
    write_python(out, stories[0][2])

    columns = ["user", "last_restaurant", "hour"]
    cases = []
    for name, rows in REQUESTS:
        case = {"name": name, "request": {"input_data": {"columns": columns, "data": rows}}}
        for colour, model, weights in stories:
            best, chance = answer(model, weights, *np.array(rows).T)
            case[colour] = {"restaurant": best.tolist(), "score": rounded(chance)}
        cases.append(case)
    save_json(out / "requests.json", cases)
    save_json(out / "sample-request.json", cases[0]["request"])
    save_json(out / "restaurants.json", places)


if __name__ == "__main__":
    main()
