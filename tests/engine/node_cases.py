"""Writes every node test of the installed `onnx` package, and cases of our own for ai.onnx.ml, below a folder.

A case is a folder with model.onnx and one folder a data set (inputs and expected outputs as TensorProto files).
index.json lists the cases with their tolerances. The expected answers of our own cases come from the package's reference
implementation, which is the definition.
"""

import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OUT = sys.argv[1]
INDEX = []


def is_tensor(value_info):
    return value_info.type.WhichOneof("value") == "tensor_type"


def as_proto(value, name):
    if isinstance(value, TensorProto):
        return value
    value = np.asarray(value)
    if value.dtype.kind in "US":
        value = value.astype(object)
    return numpy_helper.from_array(value, name)


def write(kind, name, model, data_sets, rtol, atol):
    graph = model.graph
    folder = os.path.join(OUT, kind, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.onnx"), "wb") as file:
        file.write(model.SerializeToString())
    initializers = {t.name for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in initializers]
    skip = None
    if not all(is_tensor(v) for v in list(inputs) + list(graph.output)):
        skip = "sequence, map or optional values"
    entry = {
        "kind": kind,
        "name": name,
        "rtol": rtol,
        "atol": atol,
        "inputs": [i.name for i in inputs],
        "outputs": [o.name for o in graph.output],
        "operators": sorted({(n.domain + "::" if n.domain not in ("", "ai.onnx") else "") + n.op_type for n in graph.node}),
        "skip": skip,
        "sets": 0,
    }
    if skip is None:
        for number, (given, expected) in enumerate(data_sets):
            target = os.path.join(folder, str(number))
            os.makedirs(target, exist_ok=True)
            for side, values, infos in (("input", given, graph.input), ("output", expected, graph.output)):
                for i, (value, info) in enumerate(zip(values, infos)):
                    with open(os.path.join(target, f"{side}_{i}.pb"), "wb") as file:
                        file.write(as_proto(value, info.name).SerializeToString())
            entry["sets"] += 1
    INDEX.append(entry)


def node_cases():
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        write("node", case.name, case.model, case.data_sets, case.rtol, case.atol)


NUMPY = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.INT64: np.int64, TensorProto.INT32: np.int32}


def ml(name, node, inputs, outputs, opset=3):
    """inputs: list of (name, array); outputs: list of (name, element type)."""
    infos = []
    for key, value in inputs:
        kind = TensorProto.STRING if value.dtype.kind in "OU" else helper.np_dtype_to_tensor_dtype(value.dtype)
        infos.append(helper.make_tensor_value_info(key, kind, [None] + list(value.shape[1:]) if value.ndim > 1 else [None]))
    results = [helper.make_tensor_value_info(key, kind, None) for key, kind in outputs]
    graph = helper.make_graph([node], name, infos, results)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", opset)], ir_version=9
    )
    expected = ReferenceEvaluator(model).run(None, dict(inputs))
    cast = []
    for value, (_, kind) in zip(expected, outputs):
        cast.append(np.asarray(value).astype(object) if kind == TensorProto.STRING else np.asarray(value).astype(NUMPY[kind]))
    write("ml", name, model, [([v for _, v in inputs], cast)], 1e-4, 1e-5)


def make(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, domain="ai.onnx.ml", **attributes)


def random_trees(rng, trees, depth, features, leaf, modes, missing):
    """Attributes nodes_* of random trees; `leaf(tree, node)` records a leaf."""
    nodes = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true")}
    for tree in range(trees):
        counter = [0]

        def grow(level):
            me = counter[0]
            counter[0] += 1
            at = len(nodes["treeids"])
            is_leaf = level == depth or (level > 0 and rng.random() < 0.2)
            row = (tree, me, int(rng.integers(features)), float(np.float32(rng.normal())), str(rng.choice(modes)), 0, 0, int(missing and rng.random() < 0.5))
            if is_leaf:
                row = (tree, me, 0, 0.0, "LEAF", 0, 0, 0)
            for key, value in zip(nodes, row):
                nodes[key].append(value)
            if is_leaf:
                leaf(tree, me)
            else:
                nodes["truenodeids"][at] = grow(level + 1)
                nodes["falsenodeids"][at] = grow(level + 1)
            return me

        grow(0)
    return {"nodes_" + k: v for k, v in nodes.items()}


def tree_cases():
    rng = np.random.default_rng(7)
    all_modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    for number, (aggregate, targets, modes, missing, base) in enumerate(
        [
            ("SUM", 1, ["BRANCH_LEQ"], False, None),
            ("SUM", 3, all_modes, True, [0.5, -1.0, 2.0]),
            ("AVERAGE", 2, ["BRANCH_LT"], True, None),
            ("MIN", 1, ["BRANCH_LEQ", "BRANCH_GT"], False, [1.0]),
            ("MAX", 1, ["BRANCH_GTE"], True, None),
        ]
    ):
        target = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}

        def leaf(tree, node):
            for i in range(targets):
                for key, value in zip(target, (tree, node, i, float(np.float32(rng.normal())))):
                    target[key].append(value)

        nodes = random_trees(rng, 6, 4, 5, leaf, modes, missing)
        attributes = {**nodes, **{"target_" + k: v for k, v in target.items()}, "n_targets": targets, "aggregate_function": aggregate}
        if base:
            attributes["base_values"] = base
        x = rng.normal(size=(40, 5)).astype(np.float32)
        if missing:
            x[rng.random(x.shape) < 0.15] = np.nan
        ml(f"tree_regressor_{number}_{aggregate.lower()}", make("TreeEnsembleRegressor", ["x"], ["y"], **attributes), [("x", x)], [("y", TensorProto.FLOAT)])
    # Classes: several, with labels of both kinds; two with both weighted; two with one weighted (the binary case).
    for number, (labels, ids, positive, post, modes) in enumerate(
        [
            ([3, 1, 7], [0, 1, 2], True, "NONE", ["BRANCH_LEQ"]),
            (["red", "green", "blue"], [0, 1, 2], False, "SOFTMAX", all_modes),
            ([0, 1], [0, 1], True, "NONE", ["BRANCH_LEQ"]),
            ([0, 1], [0], True, "NONE", ["BRANCH_LEQ"]),
            (["no", "yes"], [0], False, "LOGISTIC", ["BRANCH_LT"]),
            ([0, 1], [0], False, "SOFTMAX", ["BRANCH_LEQ"]),
            ([0, 1, 2], [0, 1, 2], False, "LOGISTIC", ["BRANCH_LEQ"]),
            ([0, 1, 2], [0, 1, 2], False, "SOFTMAX_ZERO", ["BRANCH_LEQ"]),
        ]
    ):
        klass = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
        trees = 5

        def leaf(tree, node):
            for i in ids:
                weight = rng.random() / trees if positive else rng.normal()
                for key, value in zip(klass, (tree, node, i, float(np.float32(weight)))):
                    klass[key].append(value)

        nodes = random_trees(rng, trees, 4, 4, leaf, modes, False)
        attributes = {**nodes, **{"class_" + k: v for k, v in klass.items()}, "post_transform": post}
        text = isinstance(labels[0], str)
        attributes["classlabels_strings" if text else "classlabels_int64s"] = labels
        x = rng.normal(size=(40, 4)).astype(np.float32)
        ml(
            f"tree_classifier_{number}_{post.lower()}",
            make("TreeEnsembleClassifier", ["x"], ["label", "scores"], **attributes),
            [("x", x)],
            [("label", TensorProto.STRING if text else TensorProto.INT64), ("scores", TensorProto.FLOAT)],
        )


def linear_cases():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(20, 4)).astype(np.float32)
    coefficients = lambda n: [float(v) for v in rng.normal(size=n).astype(np.float32)]
    ml("linear_regressor", make("LinearRegressor", ["x"], ["y"], coefficients=coefficients(8), intercepts=coefficients(2), targets=2, post_transform="NONE"), [("x", x)], [("y", TensorProto.FLOAT)])
    for post in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        for labels in ([5, 6, 7], ["a", "b", "c"], [0, 1]):
            text = isinstance(labels[0], str)
            count = 1 if len(labels) == 2 else 3
            node = make(
                "LinearClassifier", ["x"], ["label", "scores"], coefficients=coefficients(4 * count), intercepts=coefficients(count),
                post_transform=post, **{"classlabels_strings" if text else "classlabels_ints": labels},
            )
            kind = TensorProto.STRING if text else TensorProto.INT64
            ml(f"linear_classifier_{post.lower()}_{labels[0]}", node, [("x", x)], [("label", kind), ("scores", TensorProto.FLOAT)])


def libsvm_probability(k, r):
    """libsvm's multiclass_probability. The package's own sums a whole row where libsvm multiplies pairs (right for k = 2 only)."""
    q = np.array([[-r[j, t] * r[t, j] if j != t else sum(r[i, t] ** 2 for i in range(k) if i != t) for j in range(k)] for t in range(k)])
    p = np.full(k, 1.0 / k)
    for _ in range(max(100, k)):
        qp = q @ p
        pqp = p @ qp
        if np.abs(qp - pqp).max() < 0.005 / k:
            break
        for t in range(k):
            step = (pqp - qp[t]) / q[t, t]
            p[t] += step
            pqp = (pqp + step * (step * q[t, t] + 2 * qp[t])) / (1 + step) ** 2
            qp = (qp + step * q[t]) / (1 + step)
            p /= 1 + step
    return p


def svm_cases():
    import onnx.reference.ops.aionnxml.op_svm_classifier as reference

    reference.multiclass_probability = libsvm_probability
    rng = np.random.default_rng(9)
    numbers = lambda n: [float(v) for v in rng.normal(size=n).astype(np.float32)]
    x = rng.normal(size=(20, 3)).astype(np.float32)
    for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        parameters = [0.3, 0.5, 3.0]
        node = make("SVMRegressor", ["x"], ["y"], kernel_type=kernel, kernel_params=parameters, n_supports=5, support_vectors=numbers(15), coefficients=numbers(5), rho=numbers(1))
        ml(f"svm_regressor_{kernel.lower()}", node, [("x", x)], [("y", TensorProto.FLOAT)])
        for labels, per_class, proba in (([0, 1, 2], [3, 2, 4], True), ([4, 8, 9], [3, 2, 4], False), ([0, 1], [3, 3], True)):
            k, count = len(labels), sum(per_class)
            pairs = k * (k - 1) // 2
            attributes = dict(kernel_type=kernel, kernel_params=parameters, vectors_per_class=per_class, support_vectors=numbers(count * 3), coefficients=numbers(count * (k - 1)), rho=numbers(pairs), classlabels_ints=labels)
            if proba:
                attributes.update(prob_a=[-abs(v) for v in numbers(pairs)], prob_b=numbers(pairs))
            name = f"svm_classifier_{kernel.lower()}_{k}_{'proba' if proba else 'plain'}"
            ml(name, make("SVMClassifier", ["x"], ["label", "scores"], **attributes), [("x", x)], [("label", TensorProto.INT64), ("scores", TensorProto.FLOAT)])
    node = make("SVMRegressor", ["x"], ["y"], n_supports=0, coefficients=numbers(3), rho=numbers(1), one_class=1, kernel_type="LINEAR")
    ml("svm_regressor_one_class", node, [("x", x)], [("y", TensorProto.FLOAT)])


def feature_cases():
    rng = np.random.default_rng(10)
    x = rng.normal(size=(6, 3)).astype(np.float32)
    ml("scaler", make("Scaler", ["x"], ["y"], offset=[0.5, 1.0, -2.0], scale=[2.0, 0.5, 3.0]), [("x", x)], [("y", TensorProto.FLOAT)])
    ml("scaler_one", make("Scaler", ["x"], ["y"], offset=[0.5], scale=[2.0]), [("x", x)], [("y", TensorProto.FLOAT)])
    for norm in ("MAX", "L1", "L2"):
        ml(f"normalizer_{norm.lower()}", make("Normalizer", ["x"], ["y"], norm=norm), [("x", x)], [("y", TensorProto.FLOAT)])
    ml("binarizer", make("Binarizer", ["x"], ["y"], threshold=0.25), [("x", x)], [("y", TensorProto.FLOAT)])
    holes = x.copy()
    holes[rng.random(x.shape) < 0.4] = np.nan
    ml("imputer_nan", make("Imputer", ["x"], ["y"], imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=float("nan")), [("x", holes)], [("y", TensorProto.FLOAT)])
    ints = rng.integers(-1, 3, size=(6, 3)).astype(np.int64)
    ml("imputer_int", make("Imputer", ["x"], ["y"], imputed_value_int64s=[9], replaced_value_int64=-1), [("x", ints)], [("y", TensorProto.INT64)])
    words = np.array([["a"], ["b"], ["z"], ["c"]], dtype=object)
    ml("label_encoder_text_int", make("LabelEncoder", ["x"], ["y"], keys_strings=["a", "b", "c"], values_int64s=[7, 8, 9], default_int64=-5), [("x", words)], [("y", TensorProto.INT64)])
    ml("label_encoder_int_text", make("LabelEncoder", ["x"], ["y"], keys_int64s=[0, 1], values_strings=["no", "yes"], default_string="?"), [("x", ints)], [("y", TensorProto.STRING)])
    ml("label_encoder_float", make("LabelEncoder", ["x"], ["y"], keys_int64s=[0, 1], values_floats=[0.5, 1.5], default_float=-1.0), [("x", ints)], [("y", TensorProto.FLOAT)])
    ml("one_hot_text", make("OneHotEncoder", ["x"], ["y"], cats_strings=["a", "b", "c"], zeros=1), [("x", words)], [("y", TensorProto.FLOAT)])
    ml("one_hot_int", make("OneHotEncoder", ["x"], ["y"], cats_int64s=[2, 0, 1], zeros=1), [("x", ints)], [("y", TensorProto.FLOAT)])
    y = rng.normal(size=(6, 2)).astype(np.float32)
    ml("feature_vectorizer", make("FeatureVectorizer", ["x", "y"], ["z"], inputdimensions=[3, 2]), [("x", x), ("y", y)], [("z", TensorProto.FLOAT)], opset=1)
    picks = np.array([2, 0], dtype=np.int64)
    ml("array_feature_extractor", make("ArrayFeatureExtractor", ["x", "i"], ["y"]), [("x", x), ("i", picks)], [("y", TensorProto.FLOAT)])


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    node_cases()
    tree_cases()
    linear_cases()
    svm_cases()
    feature_cases()
    with open(os.path.join(OUT, "index.json"), "w") as file:
        json.dump({"onnx": onnx.__version__, "cases": INDEX}, file)
    print(len(INDEX), "cases")
