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
    files = {name: [file.filename, file.read().decode()] for name, file in request.files.items()}
    told = {"data": request.data.decode("latin-1"), "form": dict(request.form), "files": files, "type": request.mimetype}
    return AMLResponse(told, 202 if request.method == "POST" else 200, json_str=True)
