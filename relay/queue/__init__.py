"""What waits, and in which state: the recipients of every message that goes out."""
