"""AWS clients whose calls are rate-limited, counted, and fail with the engine's errors."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from json import JSONDecodeError
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    DataNotFoundError,
    ParamValidationError,
    ResponseStreamingError,
)
from botocore.loaders import Loader
from botocore.paginate import Paginator, PaginatorModel
from botocore.parsers import ResponseParserError
from botocore.session import Session as BotocoreSession

from dynconfig import __version__
from dynconfig.aws import connections
from dynconfig.aws.connections import READS
from dynconfig.aws.credentials import OWN, Credentials, Principal, SharedSession, called_by, place
from dynconfig.aws.errors import is_throttling, translated, translated_locally, without_client, without_credentials
from dynconfig.aws.facts import nouns
from dynconfig.aws.models import Models
from dynconfig.aws.quota import Quota
from dynconfig.aws.server_clock import ServerClock
from dynconfig.events import own_calls
from dynconfig.model.errors import DynConfigError, Unexpected
from dynconfig.model.fence import LeaseLost
from dynconfig.model.secret import SecretText

log = logging.getLogger(__name__)

Count = Callable[[str, str, str], None]
"""Called for each AWS call with service, operation, and OK or the error code."""

Clock = Callable[[], float]
"""Monotonic time in seconds."""

OWN_USER_AGENT = "dynconfig-operator/"
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 15.0
# Services of the event listeners, of which each target and shard has one: their connections are kept.
_OF_LISTENERS, _LISTENERS = ("sqs", "events", "sts"), Config(max_pool_connections=500)
# With whatever Content-Type: emulators send that of pages with any answer.
_PAGES = (b"<!doctype html", b"<html")
_NOUNS = nouns()


class Client:
    """Wraps a boto3 client: same methods, including paginators."""

    def __init__(
        self,
        make: Callable[[], Any],
        service: str,
        region: str,
        quota: Quota,
        count: Count,
        *,
        clock: ServerClock,
        loader: Loader,
        principal: Principal = OWN,
    ) -> None:
        self._principal = principal
        self._place = principal.place(region)
        self._make = make
        self._service = service
        self._quota = quota
        self._count = count
        self._clock = clock
        self._loader = loader

    @cached_property
    def _client(self) -> Any:
        # Clients are created on first use, since each costs milliseconds and megabytes; a failed creation is retried.
        return self._make()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            return self._call(method, request)

        return call

    def get_paginator(self, method: str) -> "Paginator[Any]":
        """Return a paginator whose pages are limited, counted and translated like calls."""
        meta = self._client.meta
        operation = meta.service_model.operation_model(meta.method_to_api_mapping[method])
        pages = self._loader.load_service_model(self._service, "paginators-1", meta.service_model.api_version)
        return Paginator(getattr(self, method), PaginatorModel(pages).get_paginator(operation.name), operation)

    def _call(self, method: str, request: dict[str, Any]) -> Any:
        client = self._client
        operation: str = client.meta.method_to_api_mapping[method]
        self._quota.acquire(self._place, f"{self._service}.{operation}")
        try:
            with called_by(self._principal):
                answer = getattr(client, method)(**request)
        except ClientError as error:
            raise self._refusal(error, operation, request) from None
        except ParamValidationError:
            # The message quotes the request, which may hold a secret.
            raise TypeError(f"{operation} was called with arguments that botocore refuses") from None
        except (BotoCoreError, ResponseParserError, JSONDecodeError, OSError) as error:
            # botocore wraps what a connection raises.
            if isinstance(lost := getattr(error, "kwargs", {}).get("error"), LeaseLost):
                raise lost from None
            self._count(self._service, operation, type(error).__name__)
            local = translated_locally(error, operation, _subject(self._service, request))
            if local is None:
                raise
            raise local from None
        self._count(self._service, operation, "OK")
        if not operation.startswith(READS):
            own_calls.record_request(answer["ResponseMetadata"].get("RequestId", ""))
        self._clock.answered(answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date", ""))
        return answer

    def _refusal(self, error: ClientError, operation: str, request: dict[str, Any]) -> DynConfigError:
        self._count(self._service, operation, error.response.get("Error", {}).get("Code", "unknown"))
        failure = translated(error, operation, _subject(self._service, request), _hidden(request))
        if _is_throttled(error.response):
            self._quota.keep_place(self._place, f"{self._service}.{operation}")
        if isinstance(failure, Unexpected):
            log.error("%s", failure)
        return failure


class Session:
    """Creates one client for each service and region. Thread-safe."""

    def __init__(
        self,
        quota: Quota,
        count: Count,
        *,
        endpoint: str | None,
        pool: int,
        clock: Clock = time.monotonic,
        write_seconds: float | None = None,
    ) -> None:
        """Create a session. With `write_seconds`, each write must be behind a fence, and takes at most so many seconds.

        Where a fence applies to the current thread, every session checks it.
        """
        self.quota = quota
        self._count = count
        self._endpoint = endpoint
        self._session = _session()
        self._credentials = Credentials(self._session, clock)
        self.server_clock = ServerClock(clock)
        connections.register(self._session, is_needed=write_seconds is not None)
        self._clients: dict[tuple[str, str], Client] = {}
        self._shared: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._making = threading.Lock()
        # legacy retries of 60 s timeouts would hold a thread for minutes; TooManyUpdates and the like are ours to retry.
        # https://docs.aws.amazon.com/boto3/latest/guide/retries.html
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=min(_READ_SECONDS, write_seconds or _READ_SECONDS),
            max_pool_connections=pool,
            # PendingEvents once: botocore puts its own together anew for each request, a thirtieth of what one takes.
            user_agent=f"{self._session.user_agent()} {OWN_USER_AGENT}{__version__}",
        )

    @property
    def default_region(self) -> str | None:
        """The region of the AWS profile, if there is one."""
        region: str | None = self._session.get_config_variable("region")
        return region

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service; the caller sets its type."""
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = self.client_of(OWN, service, region)
            return self._clients[service, region]

    def client_of(self, principal: Principal, service: str, region: str) -> Client:
        """Return a new client of a principal; it shares the connections of all clients."""
        return Client(
            partial(self._made, service, region),
            service,
            region,
            self.quota,
            self._count,
            clock=self.server_clock,
            loader=self._session.get_component("data_loader"),
            principal=principal,
        )

    def _made(self, service: str, region: str) -> Any:
        # Creating clients from one session is not thread-safe.
        with self._making:
            if (service, region) not in self._shared:
                self._shared[service, region] = self._new(service, region)
            return self._shared[service, region]

    def _new(self, service: str, region: str) -> Any:
        self._credentials.check()
        try:
            client = self._session.create_client(
                service,
                region_name=region,
                endpoint_url=self._endpoint,
                config=self._config.merge(_LISTENERS) if service in _OF_LISTENERS else self._config,
            )
        except DataNotFoundError:
            # A service unknown to botocore is a bug.
            raise
        except (BotoCoreError, ValueError) as error:
            raise without_client(error, region) from None
        # botocore emits the first for each attempt, and the second for each response.
        client.meta.events.register("request-created", partial(self._count_retry, service, region))
        client.meta.events.register("needs-retry", partial(self._record_throttling, service, region))
        return client

    def _count_retry(self, service: str, region: str, request: Any, operation_name: str, **_: Any) -> None:
        """Count a retry by botocore; the first attempt waited for its turn."""
        if request.context.get("retries", {}).get("attempt", 1) > 1:
            self.quota.count(place(region), f"{service}.{operation_name}")

    def _record_throttling(self, service: str, region: str, response: Any, operation: Any, **_: Any) -> None:
        """Record that AWS throttled an attempt, whether or not botocore retries it; KMS does not count."""
        if response is not None and _is_throttled(response[1]):
            self.quota.throttled(place(region), f"{service}.{operation.name}")


def _session() -> BotocoreSession:
    """What boto3 makes its clients with. Raises CredentialsMissing where files or profile are not as they should be.

    boto3 itself brings the transfer of files to S3 along, and with it a quarter of a second, which a person who waits
    for a plan would notice.
    """
    made = SharedSession()
    try:
        made.register_component("data_loader", Models(made.get_config_variable("data_path")))
    except BotoCoreError as error:
        raise without_credentials(error) from None
    made.register("before-parse", _refuse_page)
    made.register("before-parse", _refuse_truncated)
    return made


def _refuse_page(**about: Any) -> None:
    """Reject HTML pages: botocore would parse them as empty responses, and a delete would appear successful."""
    answer: Mapping[str, Any] = about["response_dict"]
    if answer["status_code"] < 300 and answer["body"].lstrip()[:14].lower().startswith(_PAGES):
        raise ResponseParserError("a page of HTML")


def _refuse_truncated(**about: Any) -> None:
    """Reject responses shorter than announced: botocore does not compare, and parses half a JSON document as an empty one.

    Everything would seem to be deleted. https://www.rfc-editor.org/rfc/rfc9112#section-8
    """
    answer: Mapping[str, Any] = about["response_dict"]
    announced = answer["headers"].get("content-length")
    # A body that the caller streams is read later.
    if announced is not None and isinstance(answer["body"], bytes) and len(answer["body"]) < int(announced):
        raise ResponseStreamingError(error=f"{len(answer['body'])} of {announced} bytes received")


def _is_throttled(response: Mapping[str, Any]) -> bool:
    """Whether AWS throttled the calls of an operation; KMS does not count."""
    error = response.get("Error", {})
    return is_throttling(error.get("Code", ""), error.get("Message") or "")


def _hidden(request: dict[str, Any]) -> str:
    value = request.get("Value")
    return value if isinstance(value, SecretText) else ""


def _subject(service: str, request: dict[str, Any]) -> str:
    """Return the resource of a call, as the start of a message."""
    named = ((noun, member) for member, noun in _NOUNS.get(service, {}).items() if member in request)
    return next((f"{noun} {request[member]}: " for noun, member in named), "")
