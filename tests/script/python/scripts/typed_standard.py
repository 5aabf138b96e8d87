"""Typed parameters of plain Python, one of them with a default."""

from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("data", StandardPythonParameterType({"city": "Oslo", "seats": 4}))
@input_schema("factor", StandardPythonParameterType(2.0))
@output_schema(StandardPythonParameterType([1.0]))
def run(data, factor=3.0):
    if data.get("city") == "nowhere":
        raise LookupError("no such city")
    return [data["seats"] * factor, data.get("city"), type(factor).__name__]
