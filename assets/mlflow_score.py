"""The scoring script of MLflow models that are deployed without one."""


def init():
    raise NotImplementedError


def run(data):
    raise NotImplementedError
