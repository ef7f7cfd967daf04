"""Everything one attempt needs before its runner starts: text, key, earlier turns, price and what may be spent."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from accounts import credentials
from accounts.models import Credential
from accounts.secret_values import parts_of
from tasks import conversations, lifecycle, untrusted
from tasks.claims import Claim, ClaimLost
from tasks.masking import Mask
from tasks.models import Agent, ModelPrice, Task
from tasks.runners import Desk, Request, RunFailed, Runner, checked_config, runner_for
from tasks.spending import prices
from tasks.spending.allowance import Allowance, PriceUnknown, Wanted
from tasks.spending.budgets import BudgetExhausted, BudgetReserved
from tasks.spending.usage import Usage

DEFAULT_WINDOW: Final = 32_000
"""Tokens, for models that the price table does not know."""
DEFAULT_OUTPUT: Final = 4_096
MOST_FOR_OTHERS: Final = 32_000
"""Tokens of earlier turns for runners whose window nobody knows."""
RULES_AT_MOST: Final = 700
"""Tokens that are added to prompts: rules, markers and sentences about them."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An attempt that is ready to run."""

    runner: Runner
    request: Request
    is_metered: bool = False
    price: ModelPrice | None = None
    wanted: Wanted = field(default_factory=Wanted)
    allowance: Allowance = field(default_factory=Allowance)
    canary: str = ""
    """Empty when there is no system prompt that could be given away."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def mask(self) -> Mask:
        """A fresh mask for the attempt's secrets."""
        return Mask(self.secrets)

    def priced(self, usage: Usage) -> Usage:
        """The usage with its cost, if anybody knows it."""
        if usage.cost is not None or self.price is None:
            return usage
        return replace(usage, cost=prices.cost_of(self.price, usage))


def prepare(task: Task, desk: Desk) -> Prepared:
    """Gather what the attempt of a claimed task needs and set aside what it may spend. Blocks on the database.

    Raises RunFailed for whatever its owner or the operator has to mend, and ClaimLost.
    """
    agent = task.agent
    if agent is None or agent.deleted_at is not None:
        raise RunFailed("agent_deleted")
    task.suspicion = lifecycle.assess_again(task)
    if not lifecycle.may_run(task) and lifecycle.hold_back(claim=Claim.of(task), suspicion=task.suspicion):
        raise ClaimLost("somebody has to approve it first")
    runner = runner_for(agent.kind)
    config = checked_config(runner, agent.config)
    price = _price(runner, config)
    earlier = conversations.earlier_turns(task, tokens=_room_for_earlier(task, runner, config, price))
    messages = [message for turn in earlier for message in conversations.messages_of(turn)]
    system, canary = _system(config, has_outside_text=any(map(_has_outside_text, (task, *earlier))))
    prompt = _prompt(task)
    wanted = _wanted(runner, config, price, [prompt, system, *(one.text for one in messages)])
    allowance = _reserve(task, runner, config, wanted)
    secret = _secret(agent, runner, config)
    request = Request(
        task=task.uuid,
        attempt=task.attempts,
        prompt=prompt,
        system=system,
        messages=messages,
        input=task.input,
        config=config,
        secret=secret,
        token_limit=allowance.tokens_out,
        remote_conversation=task.conversation.remote_id if task.conversation else "",
        timeout_seconds=agent.timeout_seconds,
        output_limit_bytes=agent.output_limit_bytes,
        desk=desk,
    )
    return Prepared(
        runner=runner,
        request=request,
        is_metered=runner.is_metered(config),
        price=price,
        wanted=wanted,
        allowance=allowance,
        canary=canary,
        secrets=_parts(agent.credential, secret),
    )


def _price(runner: Runner, config: Any) -> ModelPrice | None:
    return prices.price_of(runner.price_list, runner.model_of(config)) if runner.price_list else None


def _system(config: Any, *, has_outside_text: bool) -> tuple[str, str]:
    """The system prompt with our own rules, and the canary in it."""
    own = str(config.get("system_prompt", ""))
    if not own and not has_outside_text:
        return "", ""
    canary = untrusted.new_canary()
    rules = [untrusted.RULE] if has_outside_text else []
    return "\n\n".join(part for part in (own, *rules, untrusted.rule(canary)) if part), canary


def _has_outside_text(task: Task) -> bool:
    """Whether some of what the agent is given of the task stands in it as data."""
    return bool(task.untrusted_text) or not task.trusted


def _prompt(task: Task) -> str:
    """What the user says; whatever came from outside stands in it as data."""
    said = conversations.said_by_user(task)
    return f"{said}\n\n{untrusted.delimit(task.untrusted_text)}" if task.untrusted_text else said


def _room_for_earlier(task: Task, runner: Runner, config: Any, price: ModelPrice | None) -> int:
    """How many tokens of a model's window the task itself leaves."""
    if not runner.price_list:
        return MOST_FOR_OTHERS
    window = price.context_window if price else DEFAULT_WINDOW
    own = (str(config.get("system_prompt", "")), task.prompt, task.untrusted_text)
    answer = min(_output_at_most(runner, config, price) or DEFAULT_OUTPUT, window // 2)
    return max(window - answer - RULES_AT_MOST - sum(map(conversations.estimate_tokens, own)), 0)


def _output_at_most(runner: Runner, config: Any, price: ModelPrice | None) -> int | None:
    return runner.output_tokens(config) or (price.most_output if price else None)


def _wanted(runner: Runner, config: Any, price: ModelPrice | None, texts: list[str]) -> Wanted:
    return Wanted(
        tokens_in=sum(map(conversations.estimate_tokens, texts)),
        tokens_out=_output_at_most(runner, config, price),
        input_price=price.input_price if price else None,
        output_price=price.output_price if price else None,
        is_cost_told=runner.tells_cost(config),
    )


def _reserve(task: Task, runner: Runner, config: Any, wanted: Wanted) -> Allowance:
    if not runner.is_metered(config):
        return Allowance()
    try:
        return lifecycle.reserve(claim=Claim.of(task), wanted=wanted)
    except BudgetExhausted as exhausted:
        raise RunFailed("budget_exhausted", facts={"budget": exhausted.detail}) from None
    except BudgetReserved:
        raise RunFailed("budget_reserved") from None
    except PriceUnknown:
        raise RunFailed("price_unknown", facts={"model": runner.model_of(config)}) from None


def _secret(agent: Agent, runner: Runner, config: Any) -> str | None:
    if agent.credential is None:
        if runner.needs_credential(config):
            raise RunFailed("credential_missing")
        return None
    try:
        secret = credentials.reveal(agent.credential)
    except credentials.CredentialUnreadable:
        raise RunFailed("credential_unreadable") from None
    credentials.note_use(agent.credential.pk)
    return secret


def _parts(credential: Credential | None, secret: str | None) -> tuple[str, ...]:
    """What must not appear in anything the attempt leaves behind."""
    return () if credential is None or secret is None else tuple(parts_of(credential.provider, secret))
