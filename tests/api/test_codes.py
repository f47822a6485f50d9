from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zimage_cli.api.answer import parse_answer
from zimage_cli.api.codes import CODES, error_fields, error_for
from zimage_cli.errors import (
    AuthenticationError,
    BillingError,
    QuotaError,
    RefusedError,
    ServiceError,
    ThrottledError,
    UsageError,
    ZimageError,
)
from zimage_cli.sandbox.faults import ERRORS

# The service's error table: HTTP status, code, cause, how another try is paced.
TABLE: list[tuple[int, str, type[ZimageError], str | None]] = [
    (400, "InvalidParameter", UsageError, None),
    (400, "InvalidParameter.Foo", UsageError, None),
    (400, "InvalidParameter.DataInspection", UsageError, None),
    (400, "BadRequest.TooLarge", UsageError, None),
    (400, "BadRequest.IllegalInput", UsageError, None),
    (400, "DataInspectionFailed", RefusedError, None),
    (400, "data_inspection_failed", RefusedError, None),
    (400, "IPInfringementSuspect", RefusedError, None),
    (400, "Arrearage", BillingError, None),
    (401, "InvalidApiKey", AuthenticationError, None),
    (401, "invalid_api_key", AuthenticationError, None),
    (403, "AccessDenied", AuthenticationError, None),
    (403, "AccessDenied.Unpurchased", AuthenticationError, None),
    (403, "Model.AccessDenied", AuthenticationError, None),
    (403, "Workspace.AccessDenied", AuthenticationError, None),
    (403, "AllocationQuota.FreeTierOnly", QuotaError, None),
    (404, "ModelNotFound", AuthenticationError, None),
    (404, "model_not_found", AuthenticationError, None),
    (404, "WorkSpaceNotFound", AuthenticationError, None),
    (429, "Throttling", ThrottledError, "normal"),
    (429, "Throttling.RateQuota", ThrottledError, "normal"),
    (429, "Throttling.SomethingNew", ThrottledError, "normal"),
    (429, "LimitRequests", ThrottledError, "normal"),
    (429, "limit_requests", ThrottledError, "normal"),
    (429, "Throttling.BurstRate", ThrottledError, "burst"),
    (429, "limit_burst_rate", ThrottledError, "burst"),
    (429, "Throttling.AllocationQuota", QuotaError, "quota"),
    (429, "insufficient_quota", QuotaError, "quota"),
    (429, "CommodityNotPurchased", BillingError, None),
    (429, "PrepaidBillOverdue", BillingError, None),
    (429, "PostpaidBillOverdue", BillingError, None),
    (500, "InternalError", ServiceError, "normal"),
    (500, "internal_error", ServiceError, "normal"),
    (500, "InternalError.Algo", ServiceError, "normal"),
    (500, "InternalError.Timeout", ServiceError, "normal"),
    (500, "InternalError.Algo.Deeper.Still", ServiceError, "normal"),
    (500, "SystemError", ServiceError, "normal"),
    (500, "ModelServiceFailed", ServiceError, "normal"),
    (500, "RequestTimeOut", ServiceError, "normal"),
    (500, "ModelServingError", ServiceError, "normal"),
    (503, "ModelServingError", ServiceError, "normal"),
    (503, "ModelUnavailable", ServiceError, "normal"),
]
STATUSES = (200, 400, 401, 403, 404, 418, 429, 500, 502, 503, 504)


def body_of(code: str, message: str = "the service's own words") -> bytes:
    return json.dumps({"code": code, "message": message, "request_id": "r-1"}).encode()


def error_of(status: int, body: bytes, **headers: str) -> ZimageError:
    return error_for(status, body, {name.replace("_", "-"): v for name, v in headers.items()})


@pytest.mark.parametrize(("status", "code", "cause", "pace"), TABLE)
def test_every_row_of_the_table(
    status: int, code: str, cause: type[ZimageError], pace: str | None
) -> None:
    error = error_of(status, body_of(code))
    assert type(error) is cause
    assert error.pace == pace
    assert (error.code, error.request_id, error.http_status) == (code, "r-1", status)
    assert error.service_message == "the service's own words"
    assert error.retry_after is None
    assert not getattr(error, "maybe_billed", False)


def test_the_table_above_names_every_code_that_we_know_and_that_the_sandbox_sends() -> None:
    listed = {code.lower() for _, code, _, _ in TABLE}
    # `BadRequest` stands for its children only.
    assert set(CODES) - {"badrequest"} <= listed
    assert {code.lower() for code in ERRORS} <= listed


@pytest.mark.parametrize(("status", "code", "cause", "pace"), TABLE)
def test_the_code_wins_over_the_status(
    status: int, code: str, cause: type[ZimageError], pace: str | None
) -> None:
    for other in STATUSES:
        error = error_of(other, body_of(code))
        assert (type(error), error.pace, error.http_status) == (cause, pace, other)


@pytest.mark.parametrize("spelling", ["INVALIDAPIKEY", "invalidApiKey", " InvalidApiKey "])
def test_a_code_is_known_in_any_case(spelling: str) -> None:
    assert type(error_of(400, body_of(spelling))) is AuthenticationError


@pytest.mark.parametrize(
    ("status", "cause", "pace"),
    [
        (400, UsageError, None),
        (401, AuthenticationError, None),
        (403, AuthenticationError, None),
        (404, ServiceError, None),
        (405, UsageError, None),
        (413, UsageError, None),
        (429, ThrottledError, "normal"),
        (500, ServiceError, "normal"),
        (501, ServiceError, "normal"),
        (502, ServiceError, "normal"),
        (503, ServiceError, "normal"),
        (504, ServiceError, "normal"),
        (599, ServiceError, "normal"),
        (200, ServiceError, None),
        (301, ServiceError, None),
    ],
)
@pytest.mark.parametrize("code", ["SomethingNew", "Some.Thing.New", ".", "..", "InvalidApiKeys"])
def test_an_unknown_code_falls_to_the_status(
    status: int, cause: type[ZimageError], pace: str | None, code: str
) -> None:
    error = error_of(status, body_of(code))
    assert (type(error), error.pace, error.code) == (cause, pace, code)
    assert not getattr(error, "maybe_billed", False)


@pytest.mark.parametrize(
    ("status", "cause", "pace", "maybe_billed"),
    [
        (301, ServiceError, None, False),
        (307, ServiceError, None, False),
        (400, UsageError, None, False),
        (401, AuthenticationError, None, False),
        (403, AuthenticationError, None, False),
        (404, ServiceError, None, False),
        (429, ThrottledError, "normal", False),
        # A 500 without the service's own error body may have struck after the picture was made.
        (500, ServiceError, None, True),
        (501, ServiceError, None, True),
        (502, ServiceError, "normal", False),
        (503, ServiceError, "normal", False),
        (504, ServiceError, "normal", False),
        # Success was said, and nothing that can be used.
        (201, ServiceError, None, True),
        (204, ServiceError, None, True),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[1]", b"{}", b'{"code": 7}', b"\xff"])
def test_an_answer_without_an_error_body(
    status: int, cause: type[ZimageError], pace: str | None, maybe_billed: bool, body: bytes
) -> None:
    error = error_of(status, body)
    assert (type(error), error.pace, error.code) == (cause, pace, None)
    assert getattr(error, "maybe_billed", False) is maybe_billed
    if status not in {401, 403, 429}:
        assert f"HTTP {status}" in error.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"code": "invalid_api_key", "message": "no", "type": "x", "param": None}},
            {"code": "invalid_api_key", "message": "no", "request_id": None},
        ),
        (
            {"error": {"code": "limit_requests", "message": "slow"}, "request_id": "r-2"},
            {"code": "limit_requests", "message": "slow", "request_id": "r-2"},
        ),
        (
            {"error": {"message": "only words"}, "requestId": "r-3"},
            {"code": None, "message": "only words", "request_id": "r-3"},
        ),
        ({"code": "Throttling"}, {"code": "Throttling", "message": None, "request_id": None}),
        ({"code": 429, "message": "m"}, {"code": None, "message": "m", "request_id": None}),
        ({"code": "", "message": ""}, {}),
        ({"code": None, "message": None, "request_id": "r"}, {}),
        ({"error": "a text"}, {}),
        ({"error": []}, {}),
        ({"output": {"choices": []}}, {}),
        ([{"code": "Throttling"}], {}),
        ("Throttling", {}),
        (None, {}),
    ],
)
def test_shapes_of_error_bodies(body: Any, expected: dict[str, Any]) -> None:
    assert error_fields(json.dumps(body).encode()) == expected


def test_a_request_id_comes_from_the_header_where_the_body_has_none() -> None:
    assert error_of(500, b"", x_request_id="h-1").request_id == "h-1"
    assert error_of(400, b'{"code": "X", "message": "m"}', x_request_id="h-1").request_id == "h-1"
    assert error_of(400, body_of("X"), x_request_id="h-1").request_id == "r-1"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("3600", 3600.0),
        ("", None),
        (".", None),
        ("1.2.3", None),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("\u0663", None),
        ("²", None),
        ("7, 9", None),
        ("Wed, 99 Foo 2999 99:99:99 GMT", None),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert error_of(429, body_of("Throttling"), retry_after=value).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    error = error_of(503, b"", retry_after=formatdate(time.time() + 60, usegmt=True))
    assert error.retry_after is not None
    assert 55 < error.retry_after <= 60


def test_an_endless_retry_after_is_only_a_very_long_one() -> None:
    error = error_of(429, body_of("Throttling"), retry_after="9" * 400)
    assert error.retry_after == float("inf")


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z]{3}, [0-9 :+\-A-Za-z]{0,30}"))
def test_no_retry_after_crashes(value: str) -> None:
    error = error_of(429, body_of("Throttling"), retry_after=value)
    assert error.retry_after is None or error.retry_after >= 0


HOSTILE = [
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"code": ' + b"9" * 10_000 + b', "message": "m"}',
    b'{"code": "A", "message": "\\ud800 half"}',
    b'{"code": "\\udfff", "message": "\\u0000"}',
    b'{"code": {"a": 1}, "message": ["b"]}',
    b'{"error": {"code": [], "message": {}}}',
    b'{"code": "' + b"." * 1_000_000 + b'"}',
    b'{"code": "' + b"a." * 1_000_000 + b'"}',
    b"NaN",
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("status", [200, 400, 500])
def test_hostile_bodies_are_typed_errors_at_once(status: int, body: bytes) -> None:
    began = time.thread_time()
    error = error_of(status, body)
    assert time.thread_time() - began < 2
    assert isinstance(error, ZimageError)
    for text in (error.message, error.code or "", error.service_message or ""):
        text.encode("utf-8")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "code",
                    "message",
                    "request_id",
                    "error",
                    "output",
                    "choices",
                    "usage",
                    "content",
                    "image",
                    "text",
                    "reasoning_content",
                    "width",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.integers(100, 599))
def test_any_json_is_an_answer_or_a_typed_error(value: Any, status: int) -> None:
    body = json.dumps(value).encode()
    assert isinstance(error_for(status, body, {}), ZimageError)
    try:
        answer = parse_answer(body)
    except ServiceError as error:
        assert error.maybe_billed
    else:
        assert answer.image_url


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_bytes_are_a_typed_error(body: bytes, status: int) -> None:
    assert isinstance(error_for(status, body, {}), ZimageError)
    with pytest.raises(ServiceError):
        parse_answer(body)
