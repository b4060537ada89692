"""One target under atheris: `python -m bench.hostile.target NAME [options of libFuzzer] CORPUS`."""

import importlib
import sys


def main() -> None:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["relay", "inbound", "api"]):
        from tests.hostile.targets import TARGETS
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
