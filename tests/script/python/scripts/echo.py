"""Shows what run() was given."""


def init():
    pass


def run(raw_data):
    shown = raw_data if len(raw_data) < 1000 else "%d characters ending in %s" % (len(raw_data), raw_data[-10:])
    return {"type": type(raw_data).__name__, "given": shown}
