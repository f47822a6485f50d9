"""Everything that can go wrong, typed by cause; `__all__` are those that people may catch.

The classes carry facts only, and never change once they are raised: who knows more raises a copy
(`but`). What a person is told to do next and which exit status a cause has stand in one table,
`zimage_cli.core.advice`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar

from zimage_cli.messages import Listing, Message

__all__ = [
    "AnswerLost",
    "AuthenticationError",
    "BillingError",
    "BoundReached",
    "ConfigurationError",
    "ConnectionFailed",
    "DiskError",
    "NotSavedError",
    "QuotaError",
    "RefusedError",
    "RequestInvalid",
    "ServiceError",
    "ThrottledError",
    "UsageError",
    "ZimageError",
]

Pace = Literal["normal", "burst", "quota"]
"""How to wait before the same call is sent again."""


class Billed(StrEnum):
    """Whether the picture of a call that failed is on the bill."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class ZimageError(Exception):
    """Say what happened, and carry what a script or a person needs to act on it.

    `template` is a whole sentence of ours with named placeholders for `facts`; `message` is that in
    English. `service_message` is the service's own words, never reworded. `hint` is the next step
    where the place that raised knows a better one than the table does; its placeholders are filled
    from the same facts. `pace` says how another try may be paced; None: the same call is not sent
    again. `billed` says whether the picture may have been made, and be on the bill. `retry_after`
    is how many seconds the service asked to wait. Immutable.
    """

    kind = "error"
    pace: Pace | None = None
    billed: Billed = Billed.NO

    def __init__(
        self,
        template: str,
        /,
        *,
        hint: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        service_message: str | None = None,
        pace: Pace | None = None,
        billed: Billed | None = None,
        retry_after: float | None = None,
        **facts: Any,
    ) -> None:
        vars(self).update(
            message=Message(template, **facts),
            hint=_filled(hint, facts),
            code=code,
            request_id=request_id,
            http_status=http_status,
            service_message=service_message,
            pace=pace or type(self).pace,
            billed=billed or type(self).billed,
            retry_after=retry_after,
        )
        super().__init__(self.message)

    message: Message
    """What happened: a text in English, which may be said in another language; so `hint`."""
    hint: Message | None
    """What to do next, where the place that raised knew."""
    code: str | None
    request_id: str | None
    http_status: int | None
    service_message: str | None
    retry_after: float | None

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the message speaks of, by name."""
        return self.message.facts

    @property
    def maybe_billed(self) -> bool:
        """Whether the picture may have been made, and be on the bill."""
        return self.billed is not Billed.NO

    def but(self, template: str | None = None, /, **changes: Any) -> Self:
        """Return a copy with other attributes (`hint`, `pace`, …), facts, and sentence if given.

        Names that are no attributes are facts. In another sentence `{cause}` is this one's.
        """
        changed = {name: changes.pop(name) for name in _ATTRIBUTES & changes.keys()}
        if "hint" in changed:
            changed["hint"] = _filled(changed["hint"], changes)
        if template is not None:
            facts = {**self.facts, "cause": self.message, **changes}
            changed["message"] = Message(template, **facts)
        elif changes and self.facts:
            changed["message"] = Message(self.message.template, **{**self.facts, **changes})
        return _again(type(self), {**vars(self), **changed})

    def __setattr__(self, name: str, value: object) -> None:
        # What Python itself notes while an error travels: its traceback, cause and notes.
        if not name.startswith("__") and name != "args":
            raise AttributeError(f"an error cannot be changed: {name}; raise error.but(…)")
        super().__setattr__(name, value)

    def __str__(self) -> str:
        return str(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), vars(self))


_ATTRIBUTES = frozenset(ZimageError.__init__.__kwdefaults__ or ())
"""What an error is told by name that is no fact: `hint`, `code`, …."""

_E = TypeVar("_E", bound=ZimageError)


def _filled(hint: str | None, facts: Mapping[str, Any]) -> Message | None:
    return Message(hint, **facts) if hint is not None and not isinstance(hint, Message) else hint


def _again(cls: type[_E], values: dict[str, Any]) -> _E:
    """Return an error with these attributes: a copy, or one that comes from another process."""
    error = cls.__new__(cls)
    vars(error).update(values)
    error.args = (error.message,)
    return error


class Stopped(Exception):
    """The caller asked to stop.

    Nothing went wrong, so this is no ZimageError, and no try is made again after it.
    """


class UsageError(ZimageError):
    """A bad option, an invalid request, or a place that cannot be written to."""

    kind = "usage"


class ConfigurationError(ZimageError):
    """A setting, file or environment variable that cannot be used as it is."""

    kind = "configuration"


class AuthenticationError(ZimageError):
    """No key, a refused key, or a key without the right to the model or workspace."""

    kind = "authentication"


class RefusedError(ZimageError):
    """Content moderation refused the prompt or the picture."""

    kind = "refused"


class ThrottledError(ZimageError):
    """Too many requests for the account's limit."""

    kind = "throttled"


class QuotaError(ThrottledError):
    """A quota is used up; waiting a second does not help."""

    kind = "quota"


class BillingError(ThrottledError):
    """The account is in arrears or has bought nothing that covers the call."""

    kind = "billing"


class BoundReached(ZimageError):
    """What was to be spent at most is spent, or set aside for what is in flight."""

    kind = "max-cost"


class ConnectionFailed(ZimageError):
    """The service was not reached: the request cannot have been accepted."""

    kind = "connection"


class AnswerLost(ZimageError):
    """The request was sent and the answer did not arrive: it may have been made and billed."""

    kind = "lost"
    billed = Billed.MAYBE


class ServiceError(ZimageError):
    """The service failed, or answered what its reference does not describe.

    `billed` is `maybe` where the answer said success but held no picture that can be fetched.
    """

    kind = "service"


class NotSavedError(ZimageError):
    """The picture was made (and billed) and is not on disk."""

    kind = "not-saved"
    billed = Billed.YES


class AddressRefused(NotSavedError):
    """The picture was made, and zimage will never fetch its address: it is no https URL."""


class DiskError(NotSavedError):
    """The disk did not take the picture, and will hardly take the next one."""


_LISTED = 50
"""Problems that a message names; a broken machine-made file can hold any number."""


class RequestInvalid(UsageError):
    """A request with one or more problems, all of them in `problems`.

    Each is an error of its own: a line that names field, value and what is allowed, with the facts
    `field`, `value` (in JSON's form, short and safe to show), `allowed` and `nearest` (a valid
    value or field name near it, or None). A single one's facts are this error's too.
    """

    def __init__(self, problems: tuple[UsageError, ...]) -> None:
        hints = {problem.facts["field"]: problem.hint for problem in problems}
        hint = hints.get("size") or hints.get("prompt")
        if len(problems) == 1:
            only = problems[0]
            super().__init__(
                "{only}", hint=hint, only=only.message, problems=problems, **only.facts
            )
            return
        said = [problem.message for problem in problems[:_LISTED]]
        if more := len(problems) - len(said):
            said.append(Message("and {more} more", more=more))
        super().__init__(
            "the request has {count} problems:\n- {lines}",
            hint=hint,
            count=len(problems),
            lines=Listing("\n- ", said),
            problems=problems,
        )

    @property
    def problems(self) -> tuple[UsageError, ...]:
        """Everything that is wrong."""
        found: tuple[UsageError, ...] = self.facts["problems"]
        return found
