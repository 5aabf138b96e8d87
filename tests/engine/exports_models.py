"""The models that exports.py exports: classifiers, regressors, transformers, pipelines with text and missing values."""

import numpy as np
import onnx
import pandas as pd
from sklearn import calibration, cluster, compose, cross_decomposition, datasets, decomposition, discriminant_analysis, ensemble
from sklearn import feature_extraction, feature_selection, gaussian_process, impute, kernel_ridge, linear_model, mixture
from sklearn import multiclass, multioutput, naive_bayes, neighbors, neural_network, pipeline, preprocessing, random_projection, svm, tree

TEXTS = [
    "the soup was cold and the waiter slow", "best noodles in town, friendly waiter", "cold noodles, slow kitchen",
    "friendly people and great soup", "great town great food", "the kitchen closed early", "slow slow slow",
    "noodles noodles and soup", "we waited an hour for cold food", "lovely evening, great wine and food",
] * 6


class Case:
    """A model to fit and export. `kind`: f, d, i or s for one matrix, m for maps, or the kinds of named columns."""

    def __init__(self, name, model, x, y=None, kind="f", options=None, library="scikit-learn", convert=None, opset=3, rtol=1e-4, rows=None, own_label_only=False):
        self.name, self.model, self.x, self.y, self.kind = name, model, x, y, kind
        self.options, self.library, self.convert, self.opset, self.rtol = options, library, convert, opset, rtol
        self.rows = x if rows is None else rows
        self.own_label_only = own_label_only

    def fit(self):
        self.model.fit(self.x) if self.y is None else self.model.fit(self.x, self.y)


def data():
    rng = np.random.default_rng(3)
    iris_x, iris_y = datasets.load_iris(return_X_y=True)
    order = rng.permutation(len(iris_y))
    iris_x, iris_y = iris_x[order].astype(np.float32), iris_y[order]
    tumour_x, tumour_y = datasets.load_breast_cancer(return_X_y=True)
    order = rng.permutation(len(tumour_y))
    tumour_x = preprocessing.scale(tumour_x)[order][:, :12].astype(np.float32)
    tumour_y = tumour_y[order]
    sugar_x, sugar_y = datasets.load_diabetes(return_X_y=True)
    return rng, (iris_x, iris_y), (tumour_x, tumour_y), (sugar_x.astype(np.float32), (sugar_y / 25).astype(np.float32))


def holes(x, rng, share=0.15):
    x = np.array(x, dtype=np.float32)
    x[rng.random(x.shape) < share] = np.nan
    return x


def frame(rng, rows=120):
    table = pd.DataFrame({
        "age": rng.integers(18, 80, rows).astype(np.float32),
        "income": rng.normal(40, 12, rows).astype(np.float32),
        "city": rng.choice(["Basel", "Genf", "Zürich"], rows),
        "plan": rng.choice(["free", "pro"], rows),
        "text": rng.choice(TEXTS, rows),
    })
    target = np.where(table.age + table.income + 10 * (table.city == "Basel") > 95, "stays", "leaves")
    return table, target


def classifiers(rng, iris, tumour):
    x, y = iris
    bx, by = tumour
    words = np.array(["setosa", "versicolor", "virginica"])[y]
    forest = dict(n_estimators=20, random_state=0)
    yield Case("logistic regression, three classes", linear_model.LogisticRegression(max_iter=500), x, y)
    yield Case("logistic regression, two classes", linear_model.LogisticRegression(max_iter=500), bx, by)
    yield Case("logistic regression, text labels", linear_model.LogisticRegression(max_iter=500), x, words)
    yield Case("logistic regression, no ZipMap", linear_model.LogisticRegression(max_iter=500), x, words, options={"zipmap": False})
    yield Case("logistic regression, ZipMap in columns", linear_model.LogisticRegression(max_iter=500), x, words, options={"zipmap": "columns"}, own_label_only=True)
    yield Case("logistic regression, raw scores", linear_model.LogisticRegression(max_iter=500), x, y, options={"raw_scores": True}, own_label_only=True)
    yield Case("logistic regression, double", linear_model.LogisticRegression(max_iter=500), x, y, kind="d", options={"zipmap": False})
    yield Case("ridge classifier", linear_model.RidgeClassifier(), bx, by)
    yield Case("SGD, hinge", linear_model.SGDClassifier(random_state=0), x, y)
    yield Case("SGD, log loss", linear_model.SGDClassifier(loss="log_loss", random_state=0), bx, by)
    yield Case("perceptron", linear_model.Perceptron(random_state=0), x, words)
    yield Case("linear SVC", svm.LinearSVC(random_state=0), x, y)
    yield Case("SVC, RBF", svm.SVC(), x, y)
    yield Case("SVC, RBF, probabilities", svm.SVC(probability=True, random_state=0), x, y)
    yield Case("SVC, RBF, two classes, probabilities", svm.SVC(probability=True, random_state=0), bx, by)
    yield Case("SVC, linear, text labels", svm.SVC(kernel="linear"), x, words)
    yield Case("SVC, polynomial, two classes", svm.SVC(kernel="poly"), bx, by)
    yield Case("SVC, sigmoid", svm.SVC(kernel="sigmoid", probability=True, random_state=0), bx, by)
    yield Case("nu-SVC", svm.NuSVC(probability=True, random_state=0), x, y)
    yield Case("decision tree", tree.DecisionTreeClassifier(random_state=0), x, y)
    yield Case("decision tree, text labels", tree.DecisionTreeClassifier(max_depth=4, random_state=0), x, words)
    yield Case("decision tree, two classes", tree.DecisionTreeClassifier(max_depth=5, random_state=0), bx, by)
    yield Case("extra tree", tree.ExtraTreeClassifier(random_state=0), x, y)
    yield Case("random forest", ensemble.RandomForestClassifier(**forest), x, y)
    yield Case("random forest, two classes", ensemble.RandomForestClassifier(**forest), bx, by)
    yield Case("random forest, text labels", ensemble.RandomForestClassifier(**forest), bx, np.array(["ill", "well"])[by])
    yield Case("random forest, double", ensemble.RandomForestClassifier(**forest), bx, by, kind="d")
    yield Case("random forest, missing values", ensemble.RandomForestClassifier(**forest), holes(bx, rng), by)
    yield Case("random forest, ml opset 1", ensemble.RandomForestClassifier(**forest), x, y, opset=1)
    yield Case("random forest, ml opset 5", ensemble.RandomForestClassifier(**forest), x, y, opset=5)
    yield Case("extra trees", ensemble.ExtraTreesClassifier(**forest), x, words)
    yield Case("gradient boosting", ensemble.GradientBoostingClassifier(n_estimators=15, random_state=0), x, y)
    yield Case("gradient boosting, two classes", ensemble.GradientBoostingClassifier(n_estimators=30, random_state=0), bx, by)
    yield Case("histogram boosting", ensemble.HistGradientBoostingClassifier(max_iter=15, random_state=0), x, y)
    yield Case("histogram boosting, missing values", ensemble.HistGradientBoostingClassifier(max_iter=25, random_state=0), holes(bx, rng), by)
    yield Case("AdaBoost", ensemble.AdaBoostClassifier(n_estimators=10, random_state=0), x, y)
    yield Case("bagging of trees", ensemble.BaggingClassifier(n_estimators=8, random_state=0), x, y)
    yield Case("nearest neighbours", neighbors.KNeighborsClassifier(), x, y)
    yield Case("nearest neighbours, text labels, distance", neighbors.KNeighborsClassifier(weights="distance"), x, words)
    yield Case("Gaussian naive Bayes", naive_bayes.GaussianNB(), x, y)
    yield Case("Bernoulli naive Bayes", naive_bayes.BernoulliNB(binarize=0.1), bx, by)
    yield Case("multinomial naive Bayes", naive_bayes.MultinomialNB(), x, y)
    yield Case("complement naive Bayes", naive_bayes.ComplementNB(), x, words)
    yield Case("categorical naive Bayes", naive_bayes.CategoricalNB(), np.floor(x).astype(np.int64), y, kind="i")
    yield Case("linear discriminant", discriminant_analysis.LinearDiscriminantAnalysis(), x, y)
    yield Case("quadratic discriminant", discriminant_analysis.QuadraticDiscriminantAnalysis(), x, y)
    yield Case("MLP classifier", neural_network.MLPClassifier(hidden_layer_sizes=(12,), max_iter=120, random_state=0), x, words)
    yield Case("MLP classifier, two classes", neural_network.MLPClassifier(hidden_layer_sizes=(12,), max_iter=60, random_state=0), bx, by)
    yield Case("calibrated classifier, sigmoid", calibration.CalibratedClassifierCV(linear_model.LogisticRegression(max_iter=500), cv=3), x, y)
    yield Case("calibrated classifier, isotonic", calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), method="isotonic", cv=3), bx, by)
    members = lambda: [("a", linear_model.LogisticRegression(max_iter=500)), ("b", tree.DecisionTreeClassifier(max_depth=3, random_state=0)), ("c", naive_bayes.GaussianNB())]
    yield Case("voting, soft", ensemble.VotingClassifier(members(), voting="soft", flatten_transform=False), x, y)
    yield Case("voting, hard", ensemble.VotingClassifier(members(), flatten_transform=False), x, y)
    yield Case("stacking classifier", ensemble.StackingClassifier(members(), cv=3), x, y)
    yield Case("one against the rest", multiclass.OneVsRestClassifier(linear_model.LogisticRegression(max_iter=500)), x, y)
    yield Case("one against one", multiclass.OneVsOneClassifier(linear_model.LogisticRegression(max_iter=500)), x, y)
    yield Case("several outputs of classes", multioutput.MultiOutputClassifier(linear_model.LogisticRegression(max_iter=500)), x, np.stack([y, y % 2], 1), options={"zipmap": False}, own_label_only=True)


def regressors(rng, sugar):
    x, y = sugar
    two = np.stack([y, y[::-1]], 1)
    forest = dict(n_estimators=20, random_state=0, max_depth=7)
    positive = np.abs(y) + 0.1
    yield Case("linear regression", linear_model.LinearRegression(), x, y)
    yield Case("linear regression, two targets", linear_model.LinearRegression(), x, two)
    yield Case("linear regression, double", linear_model.LinearRegression(), x, y, kind="d")
    for name, model in [
        ("ridge", linear_model.Ridge()), ("lasso", linear_model.Lasso(0.01)), ("elastic net", linear_model.ElasticNet(0.01)),
        ("Bayesian ridge", linear_model.BayesianRidge()), ("ARD regression", linear_model.ARDRegression()), ("Huber regression", linear_model.HuberRegressor()),
        ("Theil-Sen", linear_model.TheilSenRegressor(random_state=0, max_subpopulation=200)), ("RANSAC", linear_model.RANSACRegressor(random_state=0)),
        ("SGD regressor", linear_model.SGDRegressor(random_state=0)), ("linear SVR", svm.LinearSVR(random_state=0)),
        ("quantile regression", linear_model.QuantileRegressor(alpha=0.001)), ("least angle", linear_model.Lars()),
    ]:
        yield Case(name, model, x, y)
    yield Case("Poisson regression", linear_model.PoissonRegressor(), x, positive)
    yield Case("gamma regression", linear_model.GammaRegressor(), x, positive)
    yield Case("Tweedie regression", linear_model.TweedieRegressor(power=1.5), x, positive)
    yield Case("SVR, RBF", svm.SVR(), x, y)
    yield Case("SVR, polynomial", svm.SVR(kernel="poly"), x, y)
    yield Case("SVR, sigmoid", svm.SVR(kernel="sigmoid"), x, y)
    yield Case("nu-SVR", svm.NuSVR(), x, y)
    yield Case("decision tree regressor", tree.DecisionTreeRegressor(random_state=0), x, y)
    yield Case("decision tree regressor, two targets", tree.DecisionTreeRegressor(max_depth=5, random_state=0), x, two)
    yield Case("decision tree regressor, double", tree.DecisionTreeRegressor(random_state=0), x.astype(np.float64), y, kind="d")
    yield Case("random forest regressor", ensemble.RandomForestRegressor(**forest), x, y)
    yield Case("random forest regressor, double", ensemble.RandomForestRegressor(**forest), x, y, kind="d")
    yield Case("random forest regressor, missing values", ensemble.RandomForestRegressor(**forest), holes(x, rng), y)
    yield Case("random forest regressor, ml opset 5", ensemble.RandomForestRegressor(**forest), x, y, opset=5)
    yield Case("extra trees regressor", ensemble.ExtraTreesRegressor(**forest), x, y)
    yield Case("gradient boosting regressor", ensemble.GradientBoostingRegressor(n_estimators=40, random_state=0), x, y)
    yield Case("histogram boosting regressor", ensemble.HistGradientBoostingRegressor(max_iter=30, random_state=0), x, y)
    yield Case("histogram boosting regressor, missing values", ensemble.HistGradientBoostingRegressor(max_iter=30, random_state=0), holes(x, rng), y)
    yield Case("histogram boosting regressor, Poisson", ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=20, random_state=0), x, positive)
    yield Case("AdaBoost regressor", ensemble.AdaBoostRegressor(n_estimators=8, random_state=0), x, y)
    yield Case("bagging regressor", ensemble.BaggingRegressor(n_estimators=8, random_state=0), x, y)
    yield Case("nearest neighbours regressor", neighbors.KNeighborsRegressor(), x, y)
    yield Case("nearest neighbours regressor, distance", neighbors.KNeighborsRegressor(weights="distance"), x, y, rows=x + np.float32(0.003))
    yield Case("Gaussian process, double", gaussian_process.GaussianProcessRegressor(alpha=0.5, random_state=0), x[:80], y[:80], kind="d", rows=x)
    yield Case("MLP regressor", neural_network.MLPRegressor(hidden_layer_sizes=(16, 8), max_iter=150, random_state=0), x, y)
    yield Case("partial least squares", cross_decomposition.PLSRegression(3), x, y)
    yield Case("kernel ridge", kernel_ridge.KernelRidge(kernel="rbf"), x, y)
    members = [("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=4, random_state=0))]
    yield Case("voting regressor", ensemble.VotingRegressor(members), x, y)
    yield Case("stacking regressor", ensemble.StackingRegressor(members, cv=3), x, y)
    yield Case("several outputs, regression", multioutput.MultiOutputRegressor(ensemble.GradientBoostingRegressor(n_estimators=10, random_state=0)), x, two)
    yield Case("isolation forest", ensemble.IsolationForest(n_estimators=20, random_state=0), x, own_label_only=True)
    yield Case("local outlier factor", neighbors.LocalOutlierFactor(novelty=True), x, own_label_only=True)
    yield Case("one-class SVM", svm.OneClassSVM(nu=0.2), x, own_label_only=True)


def transformers(rng, iris, sugar):
    x, y = iris
    missing = holes(x, rng)
    cities = rng.choice(["Basel", "Genf", "Zürich"], (120, 2)).astype(object)
    numbers = rng.integers(0, 5, (120, 3)).astype(np.int64)
    for name, model in [
        ("standard scaler", preprocessing.StandardScaler()), ("min-max scaler", preprocessing.MinMaxScaler()), ("min-max scaler, clipped", preprocessing.MinMaxScaler(clip=True)),
        ("max-abs scaler", preprocessing.MaxAbsScaler()), ("robust scaler", preprocessing.RobustScaler()), ("normalizer, l1", preprocessing.Normalizer("l1")),
        ("normalizer, l2", preprocessing.Normalizer("l2")), ("normalizer, max", preprocessing.Normalizer("max")), ("binarizer", preprocessing.Binarizer(threshold=2.0)),
        ("bins, one-hot", preprocessing.KBinsDiscretizer(4, encode="onehot-dense")), ("bins, ordinal", preprocessing.KBinsDiscretizer(4, encode="ordinal")),
        ("polynomial features", preprocessing.PolynomialFeatures(3)), ("power transformer", preprocessing.PowerTransformer()), ("quantile transformer", preprocessing.QuantileTransformer(n_quantiles=20)),
        ("PCA", decomposition.PCA(2)), ("incremental PCA", decomposition.IncrementalPCA(2)), ("kernel PCA", decomposition.KernelPCA(2, kernel="rbf")), ("truncated SVD", decomposition.TruncatedSVD(2)),
        ("Gaussian projection", random_projection.GaussianRandomProjection(3, random_state=0)), ("variance threshold", feature_selection.VarianceThreshold(0.3)),
    ]:
        yield Case(name, model, x)
    yield Case("standard scaler, double", preprocessing.StandardScaler(), x, kind="d")
    yield Case("PCA, double", decomposition.PCA(2), x, kind="d")
    yield Case("standard scaler, whole numbers", preprocessing.StandardScaler(), numbers, kind="i")
    yield Case("the best features", feature_selection.SelectKBest(k=2), x, y)
    yield Case("recursive elimination", feature_selection.RFE(linear_model.LogisticRegression(max_iter=500), n_features_to_select=2), x, y, own_label_only=True)
    yield Case("imputer, mean", impute.SimpleImputer(), missing)
    yield Case("imputer, median, double", impute.SimpleImputer(strategy="median"), missing, kind="d")
    yield Case("imputer, text", impute.SimpleImputer(missing_values="", strategy="most_frequent"), np.where(rng.random(cities.shape) < 0.2, "", cities), kind="s")
    yield Case("imputer of neighbours", impute.KNNImputer(n_neighbors=3), missing)
    yield Case("one-hot, text", preprocessing.OneHotEncoder(sparse_output=False), cities, kind="s")
    yield Case("one-hot, unknown ignored", preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), cities, kind="s", rows=np.concatenate([[["Bern", "Basel"]], cities]))
    yield Case("one-hot, whole numbers", preprocessing.OneHotEncoder(sparse_output=False), numbers, kind="i")
    yield Case("one-hot, first left out", preprocessing.OneHotEncoder(drop="first", sparse_output=False), numbers, kind="i")
    yield Case("ordinal encoder, text", preprocessing.OrdinalEncoder(), cities, kind="s")
    yield Case("ordinal encoder, whole numbers", preprocessing.OrdinalEncoder(), numbers, kind="i")
    yield Case("target encoder", preprocessing.TargetEncoder(random_state=0), cities, rng.normal(size=120), kind="s")
    yield Case("k-means", cluster.KMeans(4, n_init=3, random_state=0), x, own_label_only=True)
    yield Case("mini-batch k-means", cluster.MiniBatchKMeans(4, n_init=3, random_state=0), x, own_label_only=True)
    yield Case("Gaussian mixture", mixture.GaussianMixture(3, random_state=0), x)
    yield Case("Gaussian mixture, tied", mixture.GaussianMixture(3, covariance_type="tied", random_state=0), x)
    yield Case("tf-idf of counts", feature_extraction.text.TfidfTransformer(), np.abs(np.round(x)))


def text_options(kind):
    return {kind: {"locale": "C.UTF-8"}}


def pipelines(rng):
    sk = feature_extraction.text
    texts = np.array(TEXTS, dtype=object).reshape(-1, 1)
    mood = np.array(["bad" if "cold" in t or "slow" in t or "closed" in t else "good" for t in TEXTS])
    column = lambda vectorizer: compose.ColumnTransformer([("text", vectorizer, 0)])
    table, target = frame(rng)
    yield Case("word counts", column(sk.CountVectorizer()), texts, kind="s", options=text_options(sk.CountVectorizer))
    yield Case("word counts, pairs, binary", column(sk.CountVectorizer(ngram_range=(1, 2), binary=True)), texts, kind="s", options=text_options(sk.CountVectorizer))
    yield Case("word counts, case kept", column(sk.CountVectorizer(lowercase=False)), texts, kind="s", options=text_options(sk.CountVectorizer))
    yield Case("letter counts", column(sk.CountVectorizer(analyzer="char")), texts, kind="s", options=text_options(sk.CountVectorizer))
    yield Case("tf-idf", column(sk.TfidfVectorizer()), texts, kind="s", options=text_options(sk.TfidfVectorizer))
    yield Case("tf-idf, sublinear, l1", column(sk.TfidfVectorizer(sublinear_tf=True, norm="l1")), texts, kind="s", options=text_options(sk.TfidfVectorizer))
    yield Case("tf-idf, stop words", column(sk.TfidfVectorizer(stop_words=["the", "and"])), texts, kind="s", options=text_options(sk.TfidfVectorizer))
    words = pipeline.make_pipeline(column(sk.TfidfVectorizer()), linear_model.LogisticRegression())
    yield Case("tf-idf and logistic regression", words, texts, mood, kind="s", options=text_options(sk.TfidfVectorizer))
    words = pipeline.make_pipeline(column(sk.CountVectorizer(ngram_range=(1, 2))), naive_bayes.MultinomialNB())
    yield Case("word pairs and naive Bayes", words, texts, mood, kind="s", options=text_options(sk.CountVectorizer))
    x = table[["age", "income"]].to_numpy().astype(np.float32)
    for name, model in [
        ("scaler and logistic regression", pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())),
        ("scaler, PCA and SVC", pipeline.make_pipeline(preprocessing.StandardScaler(), decomposition.PCA(2), svm.SVC(probability=True, random_state=0))),
        ("union of features", pipeline.make_pipeline(pipeline.make_union(preprocessing.StandardScaler(), preprocessing.MinMaxScaler()), linear_model.LogisticRegression())),
    ]:
        yield Case("pipeline: " + name, model, x, target)
    yield Case("pipeline: missing values filled, scaled, boosted", pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler(), ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0)), holes(x, rng), target)
    numeric = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    kinds = {"age": "f", "income": "f", "city": "s", "plan": "s"}
    mixed = lambda encoder: compose.ColumnTransformer([("numbers", numeric, ["age", "income"]), ("names", encoder, ["city", "plan"])])
    part = table[list(kinds)].copy()
    part.loc[part.index % 7 == 0, "income"] = np.nan
    onehot = lambda: preprocessing.OneHotEncoder(handle_unknown="ignore")
    yield Case("pipeline: mixed columns and random forest", pipeline.make_pipeline(mixed(onehot()), ensemble.RandomForestClassifier(n_estimators=15, random_state=0)), part, target, kind=kinds)
    yield Case("pipeline: mixed columns and logistic regression", pipeline.make_pipeline(mixed(onehot()), linear_model.LogisticRegression()), part, target, kind=kinds)
    yield Case("pipeline: ordinal columns and boosting", pipeline.make_pipeline(mixed(preprocessing.OrdinalEncoder()), ensemble.GradientBoostingRegressor(n_estimators=15, random_state=0)), part, table.income.fillna(0), kind=kinds)
    full = {**kinds, "text": "s"}
    everything = compose.ColumnTransformer([("numbers", numeric, ["age", "income"]), ("names", onehot(), ["city", "plan"]), ("words", sk.TfidfVectorizer(), "text")])
    whole = table[list(full)].copy()
    whole.loc[whole.index % 5 == 0, "age"] = np.nan
    yield Case("pipeline: numbers, names and words", pipeline.make_pipeline(everything, linear_model.LogisticRegression(max_iter=300)), whole, target, kind=full, options=text_options(sk.TfidfVectorizer))


def boosted(rng, iris, tumour, sugar):
    import lightgbm
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    def convert(convert_one, width, **extra):
        return lambda model: convert_one(model, initial_types=[("x", FloatTensorType([None, width]))], **extra)

    (x, y), (bx, by), (sx, sy) = iris, tumour, sugar
    for library, module, one, quiet in (("LightGBM", lightgbm, onnxmltools.convert_lightgbm, {"verbose": -1}), ("XGBoost", xgboost, onnxmltools.convert_xgboost, {})):
        short = "LGBM" if library == "LightGBM" else "XGB"
        classifier, regressor = getattr(module, short + "Classifier"), getattr(module, short + "Regressor")
        base = dict(n_estimators=20, max_depth=4, random_state=0, **quiet)
        case = lambda name, model, x, y, **k: Case(f"{library}: {name}", model, x, y, library=library, convert=convert(one, x.shape[1], target_opset=15, **k))
        yield case("two classes", classifier(**base), bx, by)
        yield case("three classes", classifier(**base), x, y)
        yield case("two classes, missing values", classifier(**base), holes(bx, rng), by)
        yield case("three classes, missing values", classifier(**base), holes(x, rng), y)
        yield case("regression", regressor(**base), sx, sy)
        yield case("regression, missing values", regressor(**base), holes(sx, rng), sy)
        yield case("300 trees", regressor(**{**base, "n_estimators": 300}), sx, sy)
        yield case("absolute error", regressor(objective="regression_l1" if short == "LGBM" else "reg:absoluteerror", **base), sx, sy)
        yield case("Poisson", regressor(objective="poisson" if short == "LGBM" else "count:poisson", **base), sx, np.abs(np.round(sy)))
    lgbm = lambda name, model, x, y: Case("LightGBM: " + name, model, x, y, library="LightGBM", convert=convert(onnxmltools.convert_lightgbm, x.shape[1], target_opset=15))
    yield lgbm("random forest", lightgbm.LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.7, n_estimators=15, random_state=0, verbose=-1), bx, by)
    yield lgbm("DART", lightgbm.LGBMRegressor(boosting_type="dart", n_estimators=15, random_state=0, verbose=-1), sx, sy)
    codes = np.column_stack([rng.integers(0, 6, 150).astype(np.float32), x[:, :3]])
    yield lgbm("categories", lightgbm.LGBMClassifier(n_estimators=10, random_state=0, verbose=-1, min_data_per_group=5, categorical_feature=[0]), codes, y)
    xgb = lambda name, model, x, y: Case("XGBoost: " + name, model, x, y, library="XGBoost", convert=convert(onnxmltools.convert_xgboost, x.shape[1], target_opset=15))
    yield xgb("random forest", xgboost.XGBRFClassifier(n_estimators=15, max_depth=4, random_state=0), bx, by)
    yield xgb("random forest regressor", xgboost.XGBRFRegressor(n_estimators=15, max_depth=4, random_state=0), sx, sy)


class Written:
    """No model: a graph of one operator that no converter here writes."""

    def fit(self, x):
        pass


def written(operator, out, **attributes):
    """A graph that gives a map of floats by whole numbers to an operator."""

    def convert(model):
        helper, kinds = onnx.helper, onnx.TensorProto
        node = helper.make_node(operator, ["x"], ["y"], domain="ai.onnx.ml", **attributes)
        x = helper.make_value_info("x", helper.make_map_type_proto(kinds.INT64, helper.make_tensor_type_proto(kinds.FLOAT, [])))
        y = helper.make_tensor_value_info("y", getattr(kinds, out), [None, None])
        graph = helper.make_graph([node], "written", [x], [y])
        return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)])

    return convert


def maps():
    rng = np.random.default_rng(8)
    names = ["age", "income", "visits", "city=Basel", "city=Genf", "days since"]
    row = lambda keys, least: {key: float(np.float32(rng.normal(3, 2))) for at, key in enumerate(keys) if at == least or rng.random() < 0.6}
    train = [row(names, at % len(names)) for at in range(120)]
    target = np.array([int(r.get("age", 0) + r.get("visits", 0) > 3) for r in train])
    asked = [row([*names, "nobody asked"], at % len(names)) for at in range(40)]
    vectorizer = lambda: feature_extraction.DictVectorizer(sparse=False)
    yield Case("maps to columns", vectorizer(), train, kind="m", rows=asked)
    for name, steps in [
        ("logistic regression", [linear_model.LogisticRegression()]),
        ("scaler and random forest", [preprocessing.StandardScaler(), ensemble.RandomForestClassifier(20, random_state=0)]),
        ("boosting", [ensemble.GradientBoostingRegressor(n_estimators=15, random_state=0)]),
    ]:
        yield Case("pipeline: maps and " + name, pipeline.make_pipeline(vectorizer(), *steps), train, target, kind="m", rows=asked)
    numbers = [-3, 0, 5, 700]
    by_number = [row(numbers, at % len(numbers)) for at in range(60)]
    yield Case("maps by number to columns", vectorizer(), by_number, kind="m")
    by_place = [row(range(7), at % 7) for at in range(40)]
    full = [dict(reversed(row(range(4), 0).items())) | {key: 0.5 for key in range(4)} for _ in range(40)]
    for short, out in (("FLOAT", "FLOAT"), ("STRING", "STRING"), ("INT64", "INT64")):
        yield Case(f"CastMap, places, {short.lower()}", Written(), by_place, kind="m", library="ONNX", convert=written("CastMap", out, cast_to="TO_" + short, map_form="SPARSE", max_map=5))
        yield Case(f"CastMap, in order, {short.lower()}", Written(), full, kind="m", library="ONNX", convert=written("CastMap", out, cast_to="TO_" + short, map_form="DENSE"))


def cases():
    rng, iris, tumour, sugar = data()
    yield from classifiers(rng, iris, tumour)
    yield from regressors(rng, sugar)
    yield from transformers(rng, iris, sugar)
    yield from pipelines(rng)
    yield from boosted(rng, iris, tumour, sugar)
    yield from maps()
