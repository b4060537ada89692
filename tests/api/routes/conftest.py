"""What tests of mail routes ask for besides the API itself."""

from tests.api.mail.desk import desk

__all__ = ["desk"]
