"""A raw script with the names of the server's own package; reads forms and files."""

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    if request.args.get("read") == "json":
        return request.get_json()
    if request.args.get("read") == "text":
        return request.get_data(as_text=True)
    if request.args.get("read") == "stream":
        told = {"stream": request.stream.read().decode(), "length": request.content_length, "from": request.remote_addr}
        return {**told, "path": request.full_path, "cookies": dict(request.cookies)}
    if request.args.get("read") == "values":
        return {name: request.values.getlist(name) for name in sorted(request.values.keys())}
    files = {name: [file.filename, file.read().decode()] for name, file in request.files.items()}
    told = {"data": request.data.decode("latin-1"), "form": dict(request.form), "files": files, "type": request.mimetype}
    return AMLResponse(told, 202 if request.method == "POST" else 200, json_str=True)
