"""Asking the person before a call spends much.

Every call whose list price is over `--confirm-above` is asked about. What several small calls cost
together is bounded by `--max-cost` and not asked about: with the usual bounds every second picture
would be a question, and a client that cannot ask would stop at its first.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from zimage_cli.core.run.money import Estimate, money
from zimage_cli.errors import BoundReached
from zimage_cli.text import shown

if TYPE_CHECKING:
    from mcp_types import ElicitResult, InputRequiredResult

    from zimage_cli.core.request.prices import Price
    from zimage_cli.mcp.desk import Desk
    from zimage_cli.mcp.tools import Call

_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
"""Nothing is to be filled in: accepting is the answer."""

_KEY = "consent"


def is_asked(estimate: Estimate, above: Decimal) -> bool:
    """Tell whether the person is asked before so much is spent."""
    return not estimate.free and estimate.cost is not None and estimate.cost.amount > above


async def permitted(
    desk: Desk, call: Call, estimate: Estimate, what: str, prompt: str = ""
) -> InputRequiredResult | None:
    """Return None where the person allows it, or what the client is to ask first.

    `what` names what is to be made: `4 pictures of 1024*1024`; its `prompt` is shown too. Raises
    BoundReached where it is over the purse, and where the person says no or cannot be asked.
    """
    from mcp_types import InputRequiredResult

    desk.purse.check(estimate)
    price = estimate.cost
    if price is None or not is_asked(estimate, desk.bounds.confirm_above):
        return None
    answer, why = None, "cannot show the question"
    if _can_ask(call):
        call.doing = lambda: "waiting for the person's answer"
        question = _question(desk, price, what, prompt)
        answer, why = await _asked(desk, call, estimate, question), "brought no answer"
    if answer is None:
        raise BoundReached(
            "{what} cost {cost}, and over {above} the person is asked first; this client {why}. "
            "Nothing was sent.",
            hint="Tell the person the price and ask whether you may spend it. They allow it with "
            "a higher --confirm-above where this server is set up.",
            field="confirm_above",
            what=what,
            cost=money(price),
            above=money(price._replace(amount=desk.bounds.confirm_above)),
            why=why,
        )
    if isinstance(answer, InputRequiredResult):
        return answer
    if answer.action != "accept":
        said = "declined" if answer.action == "decline" else "did not answer"
        raise BoundReached(
            "The person was asked for {cost} and {said}. Nothing was sent.",
            hint="Do not ask again by yourself; tell the person that nothing was made.",
            field="confirm_above",
            cost=money(price),
            said=said,
        )
    return None


def _question(desk: Desk, price: Price, what: str, prompt: str) -> str:
    region = desk.client.settings.target.region_name
    purse = desk.purse
    # A model wrote the prompt: quoted and on one line it cannot pass for our words.
    about = f" The prompt: {shown(prompt, 200)}" if prompt else ""
    return (
        f"Make {what} in {region} for {money(price)}? "
        f"Spent so far: {money(purse.spent)}; left: {money(purse.left)}.{about}"
    )


def _can_ask(call: Call) -> bool:
    """Tell whether the client shows questions: a bare `elicitation` means forms."""
    capabilities = call.context.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def _asked(
    desk: Desk, call: Call, estimate: Estimate, question: str
) -> ElicitResult | InputRequiredResult | None:
    """Ask, by the way that the protocol has, and return the answer; None where none can be read.

    Up to 2025-11-25 a question is a request of the server's while the call waits. From 2026-07-28
    on the call ends with it, and comes again with the answer and the question's name; the SDK binds
    that name to tool and arguments.
    """
    from mcp.shared.exceptions import MCPError
    from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
    from mcp_types.version import is_version_at_least
    from pydantic import ValidationError

    context = call.context
    if not is_version_at_least(context.protocol_version or "", "2026-07-28"):
        try:
            told: ElicitResult = await context.session.elicit_form(
                question, _SCHEMA, context.request_id
            )
        except (MCPError, ValidationError):
            # Its words are the client's, and say nothing to a model.
            return None
        return told
    answer = (context.input_responses or {}).get(_KEY)
    if isinstance(answer, ElicitResult) and desk.questions.take(context.request_state, estimate):
        return answer
    params = ElicitRequestFormParams(message=question, requested_schema=_SCHEMA)
    return InputRequiredResult(
        input_requests={_KEY: ElicitRequest(params=params)},
        request_state=desk.questions.ask(estimate),
    )
