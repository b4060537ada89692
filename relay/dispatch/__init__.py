"""Joins queue and delivery: claims what is due, has it tried, writes down what became of it."""
