"""A table in, a value a row out."""

import pandas
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType


def init():
    pass


@input_schema("table", PandasParameterType(pandas.DataFrame({"city": ["Oslo"], "seats": [4]})))
@output_schema(StandardPythonParameterType([4]))
def run(table):
    return [list(table.columns), [int(seats) * 2 for seats in table["seats"]], str(table["seats"].dtype)]
