"""An error of the house has one status, and says when to come back."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType

import pytest

import inbound
import relay
from api.refusals import STATUS, as_problem
from relay.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    PolicyRefusal,
    Refusal,
    StoreUnavailable,
)
from relay.replies import SmtpReply
from tests.fakes.clock import FakeClock


def test_every_refusal_has_a_status() -> None:
    for package in (relay, inbound):
        _import_all(package)
    refusals = set(_below(Refusal))
    assert len(refusals) > 10
    assert {kind.__name__ for kind in refusals if kind.code not in STATUS} == set()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("no key key_1"), 404, "not_found"),
        (AlreadyExists("it is here"), 409, "already_exists"),
        (InvalidInput("a name is empty"), 422, "validation_error"),
        (StoreUnavailable("disk full"), 503, "not_accepting"),
        (Refusal("the log's words"), 422, "validation_error"),
    ],
)
def test_each_kind_of_error_is_a_problem(error: Exception, status: int, code: str) -> None:
    problem = as_problem(error, FakeClock())
    assert problem is not None
    assert (problem.status, problem.code) == (status, code)
    assert bool(problem.errors) == (status == 422)
    assert ("Retry-After" in problem.headers) == (status == 503)


def test_the_client_is_told_the_reply_and_not_the_logs_words() -> None:
    problem = as_problem(Refusal("mailbox 7 of ten_2", SmtpReply(553, "5.7.1", "not yours")), FakeClock())
    assert problem is not None
    assert problem.detail == "not yours"


def test_a_limit_says_when_it_ends() -> None:
    clock = FakeClock()

    class Full(PolicyRefusal):
        code = "mailbox_cap_reached"
        resets_at = clock.now() + timedelta(hours=15, milliseconds=1)

    problem = as_problem(Full("full"), clock)
    assert problem is not None
    assert (problem.status, problem.headers["Retry-After"]) == (429, str(15 * 3600 + 1))


def test_what_nobody_foresaw_is_no_problem_but_a_fault() -> None:
    assert as_problem(KeyError("x"), FakeClock()) is None


def _import_all(package: ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)
