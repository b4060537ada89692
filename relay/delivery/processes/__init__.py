"""Delivery in processes of its own: it takes no time of the doors, and when it dies the store goes on."""
