"""Long runs of what `tests/hostile` does briefly in `./check`."""
