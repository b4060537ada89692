"""`python -m relay.config toml|docs`: print config.toml or docs/configuration.md anew."""

import sys

from relay.config.render import render_docs, render_toml

PRINTERS = {"toml": render_toml, "docs": render_docs}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PRINTERS:
        sys.exit("usage: python -m relay.config toml|docs")
    sys.stdout.write(PRINTERS[sys.argv[1]]())
