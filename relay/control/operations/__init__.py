"""What can be asked of a station, a file for each noun; `relay.control.registry` knows them by name."""
