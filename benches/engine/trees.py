"""Trees and pipelines for the engine's benchmark, and ONNX Runtime's time for them, one thread.

    python trees.py make FOLDER     writes models and rows
    python trees.py time FOLDER     reads lines "model rows rounds" and answers each with the best time of a run in microseconds
"""

import os
import sys
import time

import numpy as np

FEATURES = 64
ROWS = 256


def models():
    import lightgbm
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType as SkFloat
    from sklearn import decomposition, ensemble, impute, linear_model, pipeline, preprocessing, svm

    rng = np.random.default_rng(5)
    x = rng.normal(size=(3000, FEATURES)).astype(np.float32)
    signal = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + x[:, 3:20].sum(1) / 3 + rng.normal(size=3000) / 2
    label = np.digitize(signal, [-1, 1])
    types = [("x", FloatTensorType([None, FEATURES]))]
    plain = lambda model, y: to_onnx(model.fit(x, y), initial_types=[("x", SkFloat([None, FEATURES]))], target_opset={"": 18, "ai.onnx.ml": 3}, options={"zipmap": False} if hasattr(model, "predict_proba") else None)
    yield x, "forest-100", lambda: plain(ensemble.RandomForestRegressor(100, max_depth=10, random_state=0, n_jobs=2), signal)
    yield x, "forest-1000", lambda: plain(ensemble.RandomForestRegressor(1000, max_depth=8, random_state=0, n_jobs=2), signal)
    yield x, "forest-100-classes", lambda: plain(ensemble.RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=2), label)
    for trees in (100, 1000):
        yield x, f"lightgbm-{trees}", lambda: onnxmltools.convert_lightgbm(lightgbm.LGBMRegressor(n_estimators=trees, random_state=0, verbose=-1).fit(x, signal), initial_types=types, target_opset=15)
        yield x, f"xgboost-{trees}", lambda: onnxmltools.convert_xgboost(xgboost.XGBRegressor(n_estimators=trees, max_depth=6, random_state=0).fit(x, signal), initial_types=types, target_opset=15)
    yield x, "xgboost-300-classes", lambda: onnxmltools.convert_xgboost(xgboost.XGBClassifier(n_estimators=100, max_depth=6, random_state=0).fit(x, label), initial_types=types, target_opset=15)
    scaled = lambda *steps: pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler(), *steps)
    yield x, "impute-scale-logistic", lambda: plain(scaled(linear_model.LogisticRegression(max_iter=500)), label)
    yield x, "impute-scale-pca-svc", lambda: plain(scaled(decomposition.PCA(16), svm.SVC(max_iter=5000)), label)
    yield x, "impute-scale-boosting", lambda: plain(scaled(ensemble.GradientBoostingRegressor(n_estimators=100, random_state=0)), signal)
    bins = preprocessing.KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf")
    yield x, "bins-ridge", lambda: plain(pipeline.make_pipeline(bins, linear_model.Ridge()), signal)


def make(folder):
    os.makedirs(folder, exist_ok=True)
    names = []
    for x, name, export in models():
        with open(os.path.join(folder, name + ".onnx"), "wb") as file:
            file.write(export().SerializeToString())
        x[:ROWS].tofile(os.path.join(folder, "rows.f32"))
        names.append(name)
    with open(os.path.join(folder, "models.txt"), "w") as file:
        file.write("\n".join(names))


def measure(folder):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    rows = np.fromfile(os.path.join(folder, "rows.f32"), dtype=np.float32).reshape(-1, FEATURES)
    bound = {}
    for line in sys.stdin:
        name, count, seconds = line.split()
        key = (name, int(count))
        if key not in bound:
            session = onnxruntime.InferenceSession(os.path.join(folder, name + ".onnx"), options, providers=["CPUExecutionProvider"])
            binding = session.io_binding()
            binding.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(rows[: int(count)]))
            for output in session.get_outputs():
                binding.bind_output(output.name)
            bound[key] = (session, binding)
        session, binding = bound[key]
        calls, start = 0, time.perf_counter()
        while time.perf_counter() - start < float(seconds):
            for _ in range(4):
                session.run_with_iobinding(binding)
            calls += 4
        print((time.perf_counter() - start) / calls * 1e6, flush=True)


if __name__ == "__main__":
    {"make": make, "time": measure}[sys.argv[1]](sys.argv[2])
