"""What two subjects may differ in, and what not: identifiers that are made up, and the time a call took."""

import json
import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
RECORD = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ([A-Z]) \[\d+\] (\S+) - (.*)$", re.S)

# Of the server, not of script or requests: its web server, its settings, its own exceptions; and our hint.
OWN = re.compile(
    r"(MINE )?[A-Z]+ gunicorn\.|127\.0\.0\.1 - - \[|W azmlinfsrv - Found extra keys|Extra keys = |Initializing logger"
    r"|azureml_inference_server_http\.|_worker|W azmlinfsrv - A request came as a form"
)


def told(answer):
    """An answer as plain data in which only what must agree is left."""
    return {"status": answer.status, "headers": headers(answer), "body": body(answer)}


def headers(answer):
    made = [value for name, value in answer.headers if name in ("x-request-id", "x-ms-request-id") and UUID.fullmatch(value)]
    assert len(set(made)) < 2, made

    def value_of(name, value):
        if name == "x-ms-run-fn-exec-ms":
            assert re.fullmatch(r"\d+\.\d{3}", value), value
            return "<milliseconds>"
        if name == "allow":
            # Made of a set.
            return ", ".join(sorted(value.split(", ")))
        return "<made>" if value in made else value

    # Their order between names means nothing; among fields of one name it does.
    kept = [[name, value_of(name, value)] for name, value in answer.headers if name != "content-length"]
    return sorted(kept, key=lambda pair: pair[0])


def body(answer):
    if any(name == "content-type" and "json" in value for name, value in answer.headers) and b'"swagger"' in answer.body:
        try:
            return json.loads(answer.body)
        except ValueError:
            pass
    return answer.body.decode("latin-1")


def essentials(document):
    """What a description of the interface says, whatever its words: its version, its subject, what goes in and comes out."""
    document = json.loads(document) if isinstance(document, str) else document
    names = document.get("definitions") or document["components"]["schemas"]
    return {
        "version": document.get("swagger") or document["openapi"],
        "info": [document["info"]["title"], document["info"]["version"]],
        "schemas": [names["ServiceInput"], names["ServiceOutput"]],
        "score": [path for path in document["paths"] if path.endswith("/score")],
    }


def differences(name, expected, found):
    """Lines that say in what two answers differ."""
    said = []
    for part in ("status", "headers", "body"):
        if expected[part] != found[part]:
            said.append(f"{name}: {part}\n    published: {short(expected[part])}\n    ours:      {short(found[part])}")
    return said


def lines(log):
    """What a stream says of script and requests: without the server's own start, addresses and the frames of tracebacks."""
    said, inside = [], False
    text = re.split(r" - Starting up app insights client\n|\nScore: +POST .*\n", log)[-1]
    for line in text.split("\n"):
        line = RECORD.sub(r"\1 \2 - \3", line)
        line = re.sub(r" \d+\.\d{3}ms ", " <ms> ", line)
        line = re.sub(r"( /swagger\.json\S* 200 <ms>) \d+$", r"\1", line)
        line = re.sub(r"with pid \d+ ", "with pid <pid> ", line)
        if "Traceback (most recent call last):" in line:
            inside = True
            said += [line] if line.strip() != "Traceback (most recent call last):" else []
        elif line.startswith(("The above exception", "During handling of")) or inside and (not line or line[0] == " "):
            continue
        else:
            inside = False
            own = OWN.match(line)
            said += [line] if line and not own else []
    return said


def short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 900 else f"{text[:600]} … {text[-250:]} ({len(text)} characters)"
