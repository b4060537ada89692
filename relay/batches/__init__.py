"""Emails that were asked for together: each has a place, and each place its own result."""
