"""Records what the published server answers in every situation, or replays that against our worker.

    contract.py record PYTHON FILE            PYTHON has azureml-inference-server-http
    contract.py replay ENGINE PYTHON FILE     ENGINE is azmlinfsrv or shim, by what PYTHON has
    contract.py endpoint PROGRAM UV FILE      against deployments of `mlconsole serve`

Any number of names after these restrict it to the situations of these names.
"""

import concurrent.futures
import difflib
import json
import pathlib
import sys
import tempfile

import compare
import endpoint
from refused import REFUSED
from served import SERVED
from subjects import NotReady, Official, Worker

# Most of a start is waiting.
AT_ONCE = 4
# These show how a deployment says why it failed.
TOLD = ["raises in init", "syntax", "headers only"]


def observe(make, python, situation):
    """All that one subject says in one situation."""
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        subject = make(situation, folder)
        seen = {"answers": []}
        try:
            try:
                subject.start(python)
            except NotReady as why:
                seen["exit"], seen["why"] = why.code, str(why)
            else:
                seen["first"] = subject.first
                for call in situation.calls:
                    try:
                        seen["answers"].append(compare.told(subject.call(call)))
                    except (ConnectionError, OSError) as error:
                        seen["answers"].append({"status": 0, "headers": [], "body": type(error).__name__})
        finally:
            subject.end()
        seen["logs"] = subject.logs()
        return seen


def observe_all(make, python, names):
    chosen = [situation for situation in SERVED + REFUSED if situation.name in names] if names else SERVED + REFUSED
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(zip(chosen, pool.map(lambda situation: observe(make, python, situation), chosen)))


def record(python, file, names):
    seen = {situation.name: told for situation, told in observe_all(Official, python, names)}
    pathlib.Path(file).write_text(json.dumps(seen))
    print(f"recorded {sum(len(told['answers']) for told in seen.values())} answers in {len(seen)} situations")


def replay(engine, python, file, names):
    recorded = json.loads(pathlib.Path(file).read_text())
    problems, equal, known = [], 0, 0
    for situation, seen in observe_all(Worker, python, names):
        published = recorded[situation.name]
        if situation.fails:
            problems += refusals(engine, situation, published, seen)
            continue
        if "exit" in seen or "exit" in published:
            problems.append(
                f"{situation.name}: not served: {seen.get('exit')}, published {published.get('exit')}\n{seen['logs']}"
            )
            continue
        if not seen["first"].startswith(engine):
            problems.append(f"{situation.name}: served by {seen['first']}, not by {engine}")
        for call, expected, found in zip(situation.calls, published["answers"], seen["answers"]):
            name = f"{situation.name} / {call.name}"
            if engine == "shim" and made_description(expected["body"]) and made_description(found["body"]):
                # The stand-in describes the same in fewer words.
                expected, found = ({**told, "body": compare.essentials(told["body"])} for told in (expected, found))
            said = compare.differences(name, expected, found)
            if call.known.keys() & {engine, "anyone"}:
                known += 1
                if not said:
                    problems.append(f"{name}: no difference any more, though: {call.known}")
            else:
                problems += said
                equal += not said
        if engine in situation.same_log:
            problems += log_differences(situation, published, seen)
    total = sum(len(situation.calls) for situation in SERVED if not names or situation.name in names)
    print(f"{engine}: {equal} of {total} answers equal, {known} known to differ, {len(problems)} problems")
    return problems


def log_differences(situation, published, seen):
    said = []
    for stream in ("stdout", "stderr"):
        expected, found = (compare.lines(told["logs"][stream]) for told in (published, seen))
        if expected != found:
            lines = difflib.unified_diff(expected, found, "published", "ours", n=1, lineterm="")
            said.append(f"{situation.name}: {stream}\n    " + "\n    ".join(line[:300] for line in lines))
    return said


def made_description(body):
    return '"RunMLService"' in (body if isinstance(body, str) else json.dumps(body))


def through_endpoint(program, uv, file, names):
    recorded = json.loads(pathlib.Path(file).read_text())
    problems, equal, known = [], 0, 0
    with tempfile.TemporaryDirectory(prefix="contract-") as folder:
        workspace = endpoint.Workspace(program, folder, uv)
        try:
            make = lambda situation, _: endpoint.Deployed(workspace, situation)
            chosen = names or [s.name for s in SERVED] + TOLD
            for situation, seen in observe_all(make, None, chosen):
                published = recorded[situation.name]
                if situation.fails:
                    if situation.fails not in seen.get("why", ""):
                        problems.append(f"{situation.name}: its failure does not say {situation.fails!r}: {seen.get('why')}")
                    continue
                if "exit" in seen:
                    problems.append(f"{situation.name}: not served: {seen['why']}\n{seen['logs']['all'][-3000:]}")
                    continue
                for call, expected, found in zip(situation.calls, published["answers"], seen["answers"]):
                    name = f"{situation.name} / {call.name}"
                    said = compare.differences(name, endpoint.as_azure_passes_it(call, expected), found)
                    if call.known.keys() & {"endpoint", "anyone"}:
                        known += 1
                        if not said:
                            problems.append(f"{name}: no difference any more, though: {call.known}")
                    else:
                        problems += said
                        equal += not said
                if situation.same_log:
                    problems += endpoint.log_differences(situation, published["logs"], seen["logs"]["all"])
        finally:
            workspace.end()
    total = sum(len(situation.calls) for situation in SERVED if not names or situation.name in names)
    print(f"endpoint: {equal} of {total} answers equal, {known} known to differ, {len(problems)} problems")
    return problems


def refusals(engine, situation, published, seen):
    problems = []
    for who, told in (("published", published), ("ours", seen)):
        if told.get("exit") != 3:
            problems.append(f"{situation.name}: {who} ended with {told.get('exit')}, not 3")
        everything = told["logs"]["stdout"] + told["logs"]["stderr"]
        if situation.fails not in everything:
            problems.append(f"{situation.name}: {who} does not say {situation.fails!r}:\n{everything}")
    return problems + (log_differences(situation, published, seen) if engine in situation.same_log else [])


def main():
    what, *rest = sys.argv[1:]
    if what == "record":
        python, file, *names = rest
        record(python, file, names)
        return
    first, second, file, *names = rest
    problems = (through_endpoint if what == "endpoint" else replay)(first, second, file, names)
    # A broken build fails everywhere at once.
    for problem in problems[:40]:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
