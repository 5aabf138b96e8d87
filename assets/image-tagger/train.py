"""Trains the dish tagger: a small convolutional network on 3x32x32 pictures.

    python assets/image-tagger/train.py [--out DIR]

The pictures are drawn, not photographed: six kinds of plates with random size, place, colour and noise. The filters
of the first layers are drawn at random and kept; the classifier on top is trained.
"""

import argparse
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from common import Adam, on_grid, rounded, save_json, save_model, softmax, tensor, value  # noqa: E402
from onnx import helper  # noqa: E402

TAGS = ["pizza", "soup", "salad", "sushi", "coffee", "cake"]
SIDE = 32
SEED = 20260102
FIRST, SECOND = 12, 32  # channels of the two convolutions
TRAIN, TEST = 720, 240


def plate(tag, rng):
    """One picture, float64 [3, 32, 32] between 0 and 1."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    centre = 15.5 + rng.uniform(-3, 3, 2)
    size = rng.uniform(8, 12)
    distance = np.hypot(rows - centre[0], columns - centre[1])
    disc = distance < size
    picture = np.ones((3, SIDE, SIDE)) * rng.uniform(0.75, 0.95, (3, 1, 1))

    def paint(mask, colour):
        picture[:, mask] = np.array(colour)[:, None] + rng.normal(0, 0.03, (3, 1))

    if tag == "pizza":
        paint(disc, (0.85, 0.6, 0.2))
        paint(disc & (rng.random((SIDE, SIDE)) < 0.3), (0.8, 0.1, 0.1))
    elif tag == "soup":
        paint(disc, (0.55, 0.6, 0.65))
        paint(distance < size - 3, (0.9, 0.5, 0.15))
    elif tag == "salad":
        paint(disc, (0.3, 0.65, 0.2))
        paint(disc & (rng.random((SIDE, SIDE)) < 0.4), (0.15, 0.4, 0.1))
    elif tag == "sushi":
        for step in (-8, 0, 8):
            box = (abs(rows - centre[0]) < 3) & (abs(columns - centre[1] - step) < 3)
            paint(box, (0.1, 0.1, 0.12))
            paint(box & (abs(rows - centre[0]) < 1.5), (0.95, 0.5, 0.4))
    elif tag == "coffee":
        paint(distance < size, (0.98, 0.98, 0.98))
        paint(distance < size - 2, (0.25, 0.14, 0.08))
    else:
        box = (abs(rows - centre[0]) < size * 0.8) & (abs(columns - centre[1]) < size * 0.8)
        paint(box, (0.95, 0.75, 0.8))
        paint(box & (rows % 6 < 2), (0.5, 0.25, 0.3))
    return np.clip(picture + rng.normal(0, 0.04, picture.shape), 0, 1)


def draw(count, rng):
    labels = np.arange(count) % len(TAGS)
    return np.stack([plate(TAGS[label], rng) for label in labels]), labels


def convolve(pictures, weight, bias):
    """3x3, stride 2, one pixel of zero padding on every side, then ReLU."""
    padded = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)))
    size = pictures.shape[2] // 2
    total = np.zeros((len(pictures), len(weight), size, size))
    for row in range(3):
        for column in range(3):
            window = padded[:, :, row : row + 2 * size : 2, column : column + 2 * size : 2]
            total += np.einsum("nchw,kc->nkhw", window, weight[:, :, row, column])
    return np.maximum(total + bias[None, :, None, None], 0)


def features(weights, pictures):
    """Means of each channel over the picture: [n, SECOND]."""
    first = convolve(pictures, weights["edge_weight"], weights["edge_bias"])
    return convolve(first, weights["shape_weight"], weights["shape_bias"]).mean(axis=(2, 3))


def train(rng):
    filters = {
        "edge_weight": rng.normal(0, np.sqrt(2 / 27), (FIRST, 3, 3, 3)),
        "edge_bias": rng.normal(0, 0.1, FIRST),
        "shape_weight": rng.normal(0, np.sqrt(2 / (9 * FIRST)), (SECOND, FIRST, 3, 3)),
        "shape_bias": rng.normal(-0.1, 0.2, SECOND),
    }
    filters = {name: on_grid(weight) for name, weight in filters.items()}
    pictures, labels = draw(TRAIN, rng)
    inputs = features(filters, pictures)
    centre, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    scaled = (inputs - centre) / spread
    head = {"weight": np.zeros((SECOND, len(TAGS))), "bias": np.zeros(len(TAGS))}
    optimiser = Adam(head, 0.05)
    for _ in range(400):
        error = softmax(scaled @ head["weight"] + head["bias"])
        error[np.arange(TRAIN), labels] -= 1
        error /= TRAIN
        optimiser.update({"weight": scaled.T @ error + 1e-3 * head["weight"], "bias": error.sum(axis=0)})
    # The scaling of the features is folded into the last layer: the file needs no operator for it.
    weight = head["weight"] / spread[:, None]
    return filters | {"tag_weight": on_grid(weight), "tag_bias": on_grid(head["bias"] - centre @ weight)}


def chances(weights, pictures):
    return softmax(features(weights, pictures) @ weights["tag_weight"] + weights["tag_bias"])


def write_onnx(path, weights, doc):
    convolution = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "edge_weight", "edge_bias"], ["edges"], name="edges", **convolution),
        helper.make_node("Relu", ["edges"], ["edges_on"], name="edges_on"),
        helper.make_node("Conv", ["edges_on", "shape_weight", "shape_bias"], ["shapes"], name="shapes", **convolution),
        helper.make_node("Relu", ["shapes"], ["shapes_on"], name="shapes_on"),
        helper.make_node("GlobalAveragePool", ["shapes_on"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flatten", axis=1),
        helper.make_node("Gemm", ["flat", "tag_weight", "tag_bias"], ["logits"], name="tags"),
        helper.make_node("Softmax", ["logits"], ["scores"], name="chance", axis=1),
        helper.make_node("ArgMax", ["scores"], ["tag"], name="best", axis=1, keepdims=0),
    ]
    save_model(
        path,
        "image_tagger",
        doc,
        nodes,
        [value("image", "f", ["batch", 3, SIDE, SIDE])],
        [value("tag", "i", ["batch"]), value("scores", "f", ["batch", len(TAGS)])],
        [tensor(name, weight) for name, weight in weights.items()],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="folder to write to (default: beside this script)")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    weights = train(np.random.default_rng(SEED))
    pictures, labels = draw(TEST, np.random.default_rng(SEED + 1))
    accuracy = float((chances(weights, pictures).argmax(axis=1) == labels).mean())
    print(f"image-tagger: accuracy {accuracy:.3f} on {TEST} held-out pictures")
    write_onnx(out / "image-tagger.onnx", weights, f"Tags: {', '.join(TAGS)}. Accuracy {accuracy:.3f}.")

    cases = []
    for i in range(2):
        # 8-bit colours as a camera gives them, scaled to 0..1 and short enough to read.
        picture = np.round(np.round(pictures[i] * 255) / 255, 3)
        scores = chances(weights, picture[None])
        answer = {"tag": scores.argmax(axis=1).tolist(), "scores": rounded(scores)}
        cases.append({"name": f"a drawn {TAGS[labels[i]]}", "request": {"inputs": {"image": [picture.tolist()]}}, "answer": answer})
    save_json(out / "requests.json", cases)
    save_json(out / "sample-request.json", cases[0]["request"])
    save_json(out / "tags.json", [{"id": i, "name": tag} for i, tag in enumerate(TAGS)])


if __name__ == "__main__":
    main()
