"""Failures of reads of single parameters: each concerns that parameter alone, unless AWS refuses them all."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from dynconfig.engine.errors import STOPPING, Conflict, DynConfigError, Retryable
from dynconfig.engine.resource import Unread

# As many failures of one operation, and not one success, say that it fails for all: the rest is not tried.
MAX_FAILURES = 6

T = TypeVar("T")
Answers = dict[str, dict[str, Any]]


class PartialReads:
    """The reads of one look at parameters, and the parameters that could not be read in it."""

    def __init__(self) -> None:
        self._failed: dict[str, DynConfigError] = {}
        self._partially: dict[str, DynConfigError] = {}
        self._failures: Counter[str] = Counter()
        self._succeeded: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._failed

    @property
    def unread(self) -> Iterator[Unread]:
        """The parameters that could not be read."""
        yield from (Unread(name, error) for name, error in self._failed.items())
        partly = ((name, error) for name, error in self._partially.items() if name not in self)
        yield from (Unread(name, error, is_partial=True) for name, error in partly)

    def failed(self, name: str, error: DynConfigError) -> None:
        """A parameter could not be read; the error names it."""
        self._failed[name] = error

    def failed_partially(self, name: str, error: DynConfigError) -> None:
        """Some fields of a parameter could not be read."""
        self._partially[name] = _naming(name, error)

    def attempt(self, operation: str, name: str, call: Callable[[], T]) -> T | None:
        """The answer about one parameter; None if it fails for this one. Raises the error if it seems to fail for all."""
        try:
            answer = call()
        except STOPPING:
            raise
        except DynConfigError as error:
            self._count(operation, error)
            self.failed(name, _naming(name, error))
            return None
        self._succeeded.add(operation)
        return answer

    def in_batches(
        self,
        batches: Sequence[Sequence[str]],
        get: Callable[[Sequence[str]], Answers],
        operation: str = "GetParameters",
    ) -> Answers:
        """The answers about all names; SSM denies a whole batch if it denies one name, so that each is then asked for."""
        answers: Answers = {}
        failed: list[str] = []
        for batch in from_both_ends(batches):
            try:
                answers.update(get(batch))
            except STOPPING:
                raise
            except DynConfigError as error:
                self._count(f"{operation} of a batch", error)
                failed += batch
            else:
                self._succeeded |= {operation, f"{operation} of a batch"}
        for name in from_both_ends(failed):
            answers.update(self.attempt(operation, name, lambda name=name: get([name])) or {})  # type: ignore[misc]
        if failed and operation not in self._succeeded:
            raise self._failed[failed[0]]
        return answers

    def _count(self, operation: str, error: DynConfigError) -> None:
        if isinstance(error, Conflict):
            return
        self._failures[operation] += 1
        if self._failures[operation] >= MAX_FAILURES and operation not in self._succeeded:
            raise error


def from_both_ends(items: Sequence[T]) -> Iterator[T]:
    """All items, alternately from the front and from the back: neighbours often share a path that is denied."""
    for place in range(len(items)):
        yield items[place // 2] if place % 2 == 0 else items[-1 - place // 2]


def stale_description(name: str, described: Mapping[str, Any], version: int) -> Conflict | None:
    """The error where DescribeParameters does not answer this version yet."""
    if described.get("Version", 0) >= version:
        return None
    return Conflict(
        f"DescribeParameters does not return the current version of parameter {name} yet; retrying", delay=2.0
    )


def _naming(name: str, error: DynConfigError) -> DynConfigError:
    if name in str(error):
        return error
    text = f"parameter {name}: {error}"
    if isinstance(error, Retryable):
        return type(error)(text, delay=error.delay, code=error.code)
    return type(error)(text, code=error.code)
