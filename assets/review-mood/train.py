"""Trains the review reader: token ids in, mood out, for any number of reviews of any length.

    python assets/review-mood/train.py [--out DIR]

Reviews are made from phrases with a known mood. The model averages the embeddings of the words (0 is padding and does
not count) and puts one linear layer on top.
"""

import argparse
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from common import Adam, on_grid, rounded, save_json, save_model, softmax, tensor, value  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

MOODS = ["unhappy", "mixed", "happy"]
GOOD = ["delicious soup", "friendly waiters", "we loved every bite", "perfect crust", "great coffee", "a lovely garden",
        "worth the wait", "fresh herbs", "best dinner in years", "fair prices", "warm bread", "charming place"]
BAD = ["cold soup", "rude waiters", "we waited an hour", "burnt crust", "bitter coffee", "a noisy room",
       "never again", "stale bread", "worst dinner in years", "far too expensive", "dirty tables", "tasteless sauce"]
NEUTRAL = ["near the station", "on a monday", "with my sister", "for lunch", "table by the window", "the menu is short",
           "they serve late", "we sat outside", "by the harbour", "six of us"]
WIDTH = 24
SEED = 20260103
TRAIN, TEST = 1500, 500


def vocabulary():
    """{word: id}; 0 is padding, 1 an unknown word."""
    words = sorted({word for phrase in GOOD + BAD + NEUTRAL for word in phrase.split()} | {"but", "and"})
    return {"<pad>": 0, "<unknown>": 1} | {word: i for i, word in enumerate(words, start=2)}


def review(mood, rng):
    pick = lambda phrases, n: [phrases[i] for i in rng.choice(len(phrases), n, replace=False)]  # noqa: E731
    if mood == 1:
        parts = pick(GOOD, 1) + ["but"] + pick(BAD, 1)
    else:
        parts = pick(GOOD if mood == 2 else BAD, int(rng.integers(1, 4)))
    parts = pick(NEUTRAL, int(rng.integers(0, 3))) + parts
    return " ".join(parts)


def tokens(texts, words):
    """[reviews, longest] of ids, padded with 0 on the right."""
    rows = [[words.get(word, 1) for word in text.lower().split()] for text in texts]
    longest = max(map(len, rows))
    return np.array([row + [0] * (longest - len(row)) for row in rows], dtype=np.int64)


def draw(count, rng):
    labels = np.arange(count) % len(MOODS)
    return [review(label, rng) for label in labels], labels


def pooled(embedding, ids):
    """(mean embedding of the words, weight of each position)."""
    mask = (ids != 0).astype(np.float64)
    share = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    return np.einsum("nt,ntd->nd", share, np.asarray(embedding, dtype=np.float64)[ids]), share


def chances(weights, ids):
    return softmax(pooled(weights["embedding"], ids)[0] @ weights["mood_weight"] + weights["mood_bias"])


def train(words, rng):
    texts, labels = draw(TRAIN, rng)
    ids = tokens(texts, words)
    weights = {
        "embedding": rng.normal(0, 0.3, (len(words), WIDTH)),
        "mood_weight": rng.normal(0, 0.3, (WIDTH, len(MOODS))),
        "mood_bias": np.zeros(len(MOODS)),
    }
    weights["embedding"][1] = 0  # an unknown word has no opinion: it is never trained
    optimiser = Adam(weights, 0.02)
    for _ in range(120):
        mean, share = pooled(weights["embedding"], ids)
        error = softmax(mean @ weights["mood_weight"] + weights["mood_bias"])
        error[np.arange(TRAIN), labels] -= 1
        error /= TRAIN
        back = error @ weights["mood_weight"].T
        embedding = np.zeros_like(weights["embedding"])
        np.add.at(embedding, ids, share[:, :, None] * back[:, None, :])
        optimiser.update({"embedding": embedding, "mood_weight": mean.T @ error, "mood_bias": error.sum(axis=0)})
    weights["embedding"][0] = 0
    return {name: on_grid(weight) for name, weight in weights.items()}


def write_onnx(path, weights, doc):
    nodes = [
        helper.make_node("Gather", ["embedding", "tokens"], ["words"], name="look_up"),
        helper.make_node("Equal", ["tokens", "padding"], ["empty"], name="is_padding"),
        helper.make_node("Not", ["empty"], ["present"], name="is_word"),
        helper.make_node("Cast", ["present"], ["mask"], name="mask", to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last_axis"], ["mask3"], name="mask_column"),
        helper.make_node("Mul", ["words", "mask3"], ["kept"], name="keep_words"),
        helper.make_node("ReduceSum", ["kept", "token_axis"], ["total"], name="sum_words", keepdims=0),
        helper.make_node("ReduceSum", ["mask", "token_axis"], ["count"], name="count_words", keepdims=1),
        helper.make_node("Max", ["count", "one"], ["divisor"], name="at_least_one"),
        helper.make_node("Div", ["total", "divisor"], ["mean"], name="mean_words"),
        helper.make_node("Gemm", ["mean", "mood_weight", "mood_bias"], ["logits"], name="mood"),
        helper.make_node("Softmax", ["logits"], ["scores"], name="chance", axis=1),
        helper.make_node("ArgMax", ["scores"], ["mood"], name="best", axis=1, keepdims=0),
    ]
    constants = {
        "padding": np.array(0, dtype=np.int64),
        "one": np.array(1.0),
        "last_axis": np.array([2], dtype=np.int64),
        "token_axis": np.array([1], dtype=np.int64),
    }
    save_model(
        path,
        "review_mood",
        doc,
        nodes,
        [value("tokens", "i", ["batch", "tokens"])],
        [value("mood", "i", ["batch"]), value("scores", "f", ["batch", len(MOODS)])],
        [tensor(name, array) for name, array in (weights | constants).items()],
    )


REQUESTS = [
    ("a happy guest", ["near the station best dinner in years and friendly waiters"]),
    ("an unhappy guest", ["cold soup never again"]),
    ("three at once, padded", ["we loved every bite", "great coffee but rude waiters", "on a monday stale bread"]),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="folder to write to (default: beside this script)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    words = vocabulary()
    weights = train(words, np.random.default_rng(SEED))
    texts, labels = draw(TEST, np.random.default_rng(SEED + 1))
    accuracy = float((chances(weights, tokens(texts, words)).argmax(axis=1) == labels).mean())
    print(f"review-mood: accuracy {accuracy:.3f} on {TEST} held-out reviews")
    write_onnx(out / "review-mood.onnx", weights, f"Moods: {', '.join(MOODS)}. Accuracy {accuracy:.3f}.")

    cases = []
    for name, reviews in REQUESTS:
        ids = tokens(reviews, words)
        scores = chances(weights, ids)
        answer = {"mood": scores.argmax(axis=1).tolist(), "scores": rounded(scores)}
        cases.append({"name": name, "text": reviews, "request": {"inputs": {"tokens": ids.tolist()}}, "answer": answer})
    save_json(out / "requests.json", cases)
    save_json(out / "sample-request.json", cases[0]["request"])
    save_json(out / "vocabulary.json", [{"id": i, "word": word} for word, i in words.items()])


if __name__ == "__main__":
    main()
