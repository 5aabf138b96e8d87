"""A matrix in, a list out; the headers beside it."""

import numpy
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("data", NumpyParameterType(numpy.array([[0.5, 1.0], [2.0, 3.5]])))
@output_schema(NumpyParameterType(numpy.array([1.5, 5.5])))
def run(data, request_headers):
    return {"sums": data.sum(axis=1).tolist(), "dtype": str(data.dtype), "tenant": request_headers.get("X-Tenant")}
