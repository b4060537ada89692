"""Mail that is being written, until it is sent."""
