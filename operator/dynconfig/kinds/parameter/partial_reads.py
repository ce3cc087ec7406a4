"""Isolate read failures: a failure affects only its parameter, unless AWS rejects all of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from dynconfig.model.errors import STOPPING, Conflict, DynConfigError, Retryable
from dynconfig.model.resource import Unread

# After this many failures of one operation without a success, it is assumed to fail for all parameters.
MAX_FAILURES = 6

T = TypeVar("T")
Answers = dict[str, dict[str, Any]]


class PartialReads:
    """The parameter reads of one observation, and the parameters that could not be read."""

    def __init__(self) -> None:
        self._failed: dict[str, DynConfigError] = {}
        self._partially: dict[str, DynConfigError] = {}
        self._failures: Counter[str] = Counter()
        self._succeeded: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._failed

    @property
    def unread(self) -> Iterator[Unread]:
        """Return the parameters that could not be read."""
        yield from (Unread(name, error) for name, error in self._failed.items())
        partly = ((name, error) for name, error in self._partially.items() if name not in self)
        yield from (Unread(name, error, is_partial=True) for name, error in partly)

    def failed(self, name: str, error: DynConfigError) -> None:
        """Record that a parameter could not be read; the error names it."""
        self._failed[name] = error

    def failed_partially(self, name: str, error: DynConfigError) -> None:
        """Record that some fields of a parameter could not be read."""
        self._partially[name] = _naming(name, error)

    def attempt(self, operation: str, name: str, call: Callable[[], T]) -> T | None:
        """Return the result for one parameter, None if it fails. Raise the error if the operation seems to fail for all."""
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
        """Return the results for all names. SSM denies a whole batch if it denies one name; its names are then read singly."""
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
    """Yield all items, alternately from the front and the back: neighbours often share a denied path."""
    for place in range(len(items)):
        yield items[place // 2] if place % 2 == 0 else items[-1 - place // 2]


def stale_description(name: str, described: Mapping[str, Any], version: int) -> Conflict | None:
    """Return a Conflict if DescribeParameters does not return this version yet."""
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
