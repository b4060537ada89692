"""Posthouse beside Postfix, with and without OpenDKIM: one run, one load, one sink, in turn."""
