"""`python -m relay` is `posthouse`."""

from relay.cli.main import main

if __name__ == "__main__":
    main()
