"""Every case through a real endpoint: MLflow models in Python, and natively where the built-in engine takes them."""

from concurrent.futures import ThreadPoolExecutor

import cases
import contract
import models
from house import MODELS, House, step

NATIVE = ("onnx_matrix", "onnx_frame", "onnx_columns", "onnx_named", "onnx_silent")


def deployment(model, lenient):
    return model.replace("_", "-") + ("-lenient" if lenient else "")


def problem(house, case, folder):
    """What is wrong with the answer to a case, or None."""
    status, headers, text = house.ask("suite", deployment(case.model, case.lenient), case.body, case.path, case.kind)
    native = case.model in NATIVE
    if native == ("x-ms-server-version" in headers):
        return f"served by {'Python' if native else 'the engine'}"
    # The endpoint passes on what its container says: 424, with the container's own status in a header.
    if status == 424:
        status = int(headers["ms-azureml-model-error-statuscode"])
    # Where the hosted script fails, the engine says what is wrong with the request.
    if native and case.status == 500:
        return None if status == 400 and "message" in text else f"status {status} instead of 400: {text[:300]}"
    return contract.difference(case, status, text, folder, 1e-5 if native else 1e-9)


with House() as house:
    folders = models.make(MODELS)
    with step("every model is deployed"):
        house.endpoint("suite")
        wanted = sorted({(case.model, case.lenient) for case in cases.CASES})
        deploy = lambda model, lenient: house.deploy(  # noqa: E731
            "suite", deployment(model, lenient), folders[model], environment_variables={"MLFLOW_LENIENT_INPUT": "true"} if lenient else {}
        )
        # One of each environment first: the others find it built.
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda pair: deploy(*pair), wanted))
    with step(f"{len(cases.CASES)} requests are answered as MLflow predicts, or refused as the hosted service does"):
        wrong = [(case.model, case.name, problem(house, case, folders[case.model])) for case in cases.CASES]
        wrong = [f"{model}: {name}: {what}" for model, name, what in wrong if what]
        assert not wrong, "\n" + "\n".join(wrong)
    with step("an operator that the engine does not run is named, and Python serves the model"):
        shown = house.document("deployment", "show", "suite", "onnx-foreign")["properties"]["properties"]["mlconsole.note"]
        assert "Det" in shown and "Python" in shown, shown
    with step("the log says what the hosted service would have refused"):
        log = house.command("deployment", "logs", "suite", "frame-lenient")
        assert "the hosted service would refuse this body" in log, log
