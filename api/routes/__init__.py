"""One module for each resource: its shapes, its handlers, and its table `OPERATIONS`."""
