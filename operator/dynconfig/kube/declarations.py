"""Builds the declaration of an object: checks its spec, reads its Secrets and ConfigMaps, and checks their values."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.kube import sources as source_objects
from dynconfig.kube.client import ApiRefused, Document
from dynconfig.kube.dependencies import Dependencies
from dynconfig.kube.namespace_limiter import MAX_CONCURRENT, NamespaceLimiter
from dynconfig.kube.references import References
from dynconfig.model.declaration import Declaration, ReadSource, Source
from dynconfig.model.errors import AccessDenied, DynConfigError
from dynconfig.model.key import Key
from dynconfig.validation.declare import checked_spec, declaration_of, sources, was_answered
from dynconfig.validation.secret_checks import AnswerBudget

T = TypeVar("T")


class Declarations:
    """Builds declarations in threads, limited per namespace."""

    def __init__(self, dependencies: Dependencies, references: References, answers: AnswerBudget) -> None:
        self._deps = dependencies
        self._references = references
        self._answers = answers
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="check")
        self._limiter = NamespaceLimiter(MAX_CONCURRENT)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    async def of(self, key: Key, document: Document) -> Declaration:
        """Return the declaration of an object.

        Raises DynConfigError if its spec is invalid, a source is missing, or its target cannot be used.
        """
        target = self._deps.targets.chosen(document)
        rights = self._deps.rights_of(key.namespace, target)
        uid = document["metadata"]["uid"]
        with self._answers.turn(key.namespace, uid, was_answered=was_answered(document)) as admit:
            declared = partial(
                declaration_of,
                document=document,
                owner=self._deps.owner_of(document),
                default_region=rights["default_region"],
                admit=admit,
                target=target,
            )

            def check() -> tuple[DynamicConfigSpec, tuple[Source, ...], Declaration | None]:
                spec = checked_spec(
                    document,
                    is_own_layer=self._deps.is_own_layer,
                    is_region=self._deps.is_region,
                    **rights,
                )
                needed = sources(spec)
                return spec, needed, None if needed else declared(spec, read=_nothing)

            try:
                spec, needed, found = await self._run(key, check)
            except DynConfigError:
                # An object that its namespace may not have causes no read of a Secret, nor does a change of one reconcile it.
                self._references.forget(key)
                raise
            # No role is assumed for an object that its namespace may not have.
            await self._deps.targets.verify(target)
            self._references.set_sources(key, needed)
            if found is not None:
                return found
            read = await self._read(key, needed)
            return await self._run(key, partial(declared, spec, read=read))

    async def _read(self, key: Key, needed: tuple[Source, ...]) -> ReadSource:
        try:
            return await source_objects.read(self._deps.kube, key.namespace, needed)
        except ApiRefused as error:
            raise AccessDenied(f"cannot read a Secret or ConfigMap: {error}") from None

    async def _run(self, key: Key, work: Callable[[], T]) -> T:
        """Run CPU-bound work on a spec (patterns, JSON Schemas, rules) in a thread."""
        async with self._limiter.permit(key.namespace):
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _nothing(source: Source) -> str | None:
    raise AssertionError(f"{source} is not among the sources")
