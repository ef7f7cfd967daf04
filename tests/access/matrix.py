"""Who gets what answer where: every route, every method, four actors.

The order is anonymous, stranger, owner, operator. `LED` means led to the sign-in page. What is asked is sensible
where it can be (a good form, a task in the right status), so that a refusal is about the person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LED: Final = "led to sign in"
Expected = tuple[int | str, int | str, int | str, int | str]

ALL_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a route answers. Methods that are not named get the answer for `rest`."""

    address: str
    """With the world's ids in braces; they become an address."""
    cells: Mapping[str, Expected]
    rest: Expected | None
    """None: those methods are not asked, because Django's admin answers them as it answers GET."""
    bodies: Mapping[str, Any] = field(default_factory=dict)

    def expected(self, method: str) -> Expected | None:
        if method == "HEAD" and "HEAD" not in self.cells:
            return self.expected("GET")
        return self.cells.get(method, self.rest)


# --- The API -------------------------------------------------------------------------------------------

SIGNED_IN: Final[Expected] = (401, 200, 200, 200)
OPERATORS: Final[Expected] = (401, 403, 403, 200)
CREATES: Final[Expected] = (401, 201, 201, 201)
BEGINS: Final[Expected] = (401, 202, 202, 202)
OWN: Final[Expected] = (401, 403, 200, 200)
OWNERS_ONLY: Final[Expected] = (401, 403, 200, 403)
GONE: Final[Expected] = (401, 403, 204, 204)
NO_METHOD: Final[Expected] = (401, 405, 405, 405)
NO_METHOD_OF_OWN: Final[Expected] = (401, 403, 405, 405)
NOTHING: Final[Expected] = (401, 404, 404, 404)


def _api(address: str, body: Any = None, **cells: Expected) -> Row:
    rest = NO_METHOD_OF_OWN if "{" in address else NO_METHOD
    bodies: dict[str, Any] = {method: body for method in ("POST", "PATCH") if method in cells and body is not None}
    return Row(address=f"/api/v1{address}", cells=cells, rest=rest, bodies=bodies)


def _sign_in(address: str, body: Any, **cells: Expected) -> Row:
    cells["OPTIONS"] = (200, 200, 200, 200)
    return Row(address=f"/api/v1{address}", cells=cells, rest=(405, 405, 405, 405), bodies={"POST": body})


_SCHEDULE: Final = {"name": "new", "timing": "cron", "cron": "0 9 * * *", "agent": "{agent}", "prompt": "p"}
_ENDPOINT: Final = {"name": "new", "target_url": "https://hooks.example.org/", "kinds": ["task_completed"]}

_NEW_PASSWORD: Final = "quite another ordinary sentence"
_BOT_TOKEN: Final = "5550004:a-token_that_nobody-has_0123456789-abc"

API: Final[dict[str, Row]] = {
    "api-root": _api("", GET=SIGNED_IN),
    "api-schema": _api("/schema", GET=SIGNED_IN),
    "api-docs": _api("/docs", GET=SIGNED_IN),
    "api-me": _api("/me", GET=SIGNED_IN, OPTIONS=SIGNED_IN),
    "api-notices": _api("/notices", {"batch_minutes": 5}, GET=SIGNED_IN, PATCH=SIGNED_IN),
    "api-auth-token": _sign_in(
        "/auth/token", {"username": "alice", "password": "{password}"}, POST=(200, 200, 200, 200)
    ),
    "api-auth-refresh": _sign_in("/auth/refresh", {"refresh": "x"}, POST=(401, 401, 401, 401)),
    "api-auth-logout": _sign_in("/auth/logout", {"refresh": "x"}, POST=(401, 401, 401, 401)),
    "api-tasks": _api("/tasks", {"agent": "{agent}", "prompt": "p"}, GET=SIGNED_IN, POST=(401, 403, 201, 403)),
    "api-task-batch": _api("/tasks/batch", {"tasks": [{"agent": "{agent}", "prompt": "p"}]}, POST=(401, 403, 201, 403)),
    "api-task": _api("/tasks/{ready}", {"title": "t"}, GET=OWN, PATCH=OWN),
    "api-task-events": _api("/tasks/{ready}/events", GET=OWN),
    "api-task-attempts": _api("/tasks/{ready}/attempts", GET=OWN),
    "api-task-artifacts": _api("/tasks/{complete}/artifacts", GET=OWN),
    "api-artifact": _api("/artifacts/{artifact}", GET=OWN),
    "api-task-cancel": _api("/tasks/{ready}/cancel", {"reason": "r"}, POST=OWN),
    "api-task-retry": _api("/tasks/{cancelled}/retry", POST=OWN),
    "api-task-backlog": _api("/tasks/{ready}/backlog", POST=OWN),
    "api-task-release": _api("/tasks/{backlogged}/release", POST=OWN),
    "api-task-archive": _api("/tasks/{complete}/archive", POST=OWN),
    "api-task-restore": _api("/tasks/{archived}/restore", POST=OWN),
    "api-task-next": _api("/tasks/next", POST=(401, 204, 200, 204)),
    "api-task-progress": _api("/tasks/{in_hand}/progress", {"attempt": 1}, POST=OWN),
    "api-task-complete": _api("/tasks/{in_hand}/complete", {"attempt": 1, "result": "r"}, POST=OWN),
    "api-task-fail": _api("/tasks/{in_hand}/fail", {"attempt": 1, "reason": "r"}, POST=OWN),
    "api-bulk-actions": _api(
        "/bulk-actions", {"action": "cancel", "filter": {"status": ["ready"]}}, GET=SIGNED_IN, POST=BEGINS
    ),
    "api-bulk-action": _api("/bulk-actions/{bulk_action}", GET=OWN),
    "api-bulk-action-stop": _api("/bulk-actions/{bulk_action}/stop", POST=OWN),
    "api-dead-letters": _api("/dead-letters", GET=SIGNED_IN),
    "api-dead-letters-retry": _api("/dead-letters/retry", POST=BEGINS),
    "api-dead-letters-discard": _api("/dead-letters/discard", POST=BEGINS),
    "api-agents": _api("/agents", {"name": "new", "kind": "echo"}, GET=SIGNED_IN, POST=CREATES),
    "api-agent": _api("/agents/{idle_agent}", {"description": "d"}, GET=OWN, PATCH=OWN, DELETE=GONE),
    "api-agent-pause": _api("/agents/{agent}/pause", POST=OWN),
    "api-agent-resume": _api("/agents/{agent}/resume", POST=OWN),
    "api-agent-end-hold": _api("/agents/{agent}/end-hold", POST=OWN),
    "api-agent-test": _api("/agents/{agent}/test", POST=OWN),
    "api-approvals": _api("/approvals", GET=SIGNED_IN),
    "api-approval": _api("/approvals/{approval}", GET=OWN),
    "api-approval-approve": _api("/approvals/{approval}/approve", {"text_digest": "{text_digest}"}, POST=OWN),
    "api-approval-deny": _api("/approvals/{approval}/deny", POST=OWN),
    "api-budgets": _api("/budgets", {"scope": "total", "token_limit": 5}, GET=SIGNED_IN, POST=CREATES),
    "api-budget": _api("/budgets/{budget}", {"token_limit": 5}, GET=OWN, PATCH=OWN, DELETE=GONE),
    "api-usage": _api("/usage", GET=SIGNED_IN),
    "api-conversations": _api("/conversations", GET=SIGNED_IN),
    "api-conversation": _api("/conversations/{conversation}", {"title": "t"}, GET=OWN, PATCH=OWN),
    "api-queues": _api("/queues", {"name": "new"}, GET=SIGNED_IN, POST=CREATES),
    "api-queue": _api("/queues/{queue}", {"concurrency_limit": 1}, GET=OWN, PATCH=OWN, DELETE=GONE),
    "api-queue-info": _api("/queues/{queue}/info", GET=OWN),
    "api-queue-pause": _api("/queues/{queue}/pause", POST=OWN),
    "api-queue-resume": _api("/queues/{queue}/resume", POST=OWN),
    "api-schedules": _api("/schedules", _SCHEDULE, GET=SIGNED_IN, POST=(401, 403, 201, 403)),
    "api-schedule-preview": _api("/schedules/preview", {"timing": "cron", "cron": "0 9 * * *"}, POST=SIGNED_IN),
    "api-schedule": _api("/schedules/{schedule}", {"order": 1}, GET=OWN, PATCH=OWN, DELETE=GONE),
    "api-schedule-pause": _api("/schedules/{schedule}/pause", POST=OWN),
    "api-schedule-resume": _api("/schedules/{schedule}/resume", POST=OWN),
    "api-schedule-run": _api("/schedules/{schedule}/run", POST=(401, 403, 201, 201)),
    "api-schedule-fires": _api("/schedules/{schedule}/fires", GET=OWN),
    "api-schedule-events": _api("/schedules/{schedule}/events", GET=OWN),
    "api-credentials": _api(
        "/credentials",
        {"name": "new", "provider": "anthropic", "secret": "sk-0123456789abcdef"},
        GET=SIGNED_IN,
        POST=CREATES,
    ),
    # Operators see that it is there, and that is all.
    "api-credential": Row(
        address="/api/v1/credentials/{credential}",
        cells={"GET": OWN, "PATCH": OWNERS_ONLY, "DELETE": (401, 403, 204, 403), "OPTIONS": NO_METHOD_OF_OWN},
        rest=(401, 403, 405, 403),
        bodies={"PATCH": {"name": "n"}},
    ),
    "api-credential-test": Row(
        address="/api/v1/credentials/{credential}/test",
        cells=dict.fromkeys(("GET", "OPTIONS"), NO_METHOD_OF_OWN) | {"POST": (401, 403, 409, 403)},
        rest=(401, 403, 405, 403),
    ),
    "api-invitations": _api("/invitations", {"email": "n@example.net"}, GET=OPERATORS, POST=(401, 403, 403, 201)),
    # For operators who may add users, whoever made it.
    "api-invitation": Row(
        address="/api/v1/invitations/{invitation}",
        cells={"GET": OPERATORS, "DELETE": (401, 403, 403, 204)},
        rest=(401, 403, 403, 405),
    ),
    "api-me-password": _api("/me/password", {"current": "{password}", "new": _NEW_PASSWORD}, POST=SIGNED_IN),
    "api-audit-events": _api("/audit-events", GET=SIGNED_IN),
    "api-sessions": _api("/sessions", GET=SIGNED_IN),
    "api-sessions-end-others": _api("/sessions/end-others", {}, POST=SIGNED_IN),
    # One's own alone: operators end those of others in the admin.
    "api-session": Row(
        address="/api/v1/sessions/{session}",
        cells={"DELETE": (401, 403, 204, 403)},
        rest=(401, 403, 405, 403),
    ),
    "api-tokens": _api("/tokens", {"name": "new", "scopes": ["tasks:read"]}, GET=SIGNED_IN, POST=CREATES),
    # Operators end everybody's, because a stolen one has to be ended by whoever notices.
    "api-token": _api("/tokens/{token}", GET=OWN, DELETE=GONE),
    "api-doors": _api(
        "/doors", {"name": "new", "kind": "github", "agent": "{agent}"}, GET=SIGNED_IN, POST=(401, 403, 201, 403)
    ),
    "api-door": _api("/doors/{door}", {"name": "n"}, GET=OWN, PATCH=OWN, DELETE=GONE),
    "api-door-open": _api("/doors/{door}/open", POST=OWN),
    "api-door-close": _api("/doors/{door}/close", POST=OWN),
    "api-door-rotate": _api("/doors/{door}/rotate", {}, POST=(401, 403, 201, 201)),
    "api-door-preview": _api("/doors/{door}/preview", {"payload": {"a": 1}}, POST=OWN),
    "api-door-requests": _api("/doors/{door}/requests", GET=OWN),
    # Telegram is away, so what has to ask it comes no further.
    "api-telegram-bots": _api(
        "/telegram/bots", {"name": "new", "token": _BOT_TOKEN}, GET=SIGNED_IN, POST=(401, 503, 503, 503)
    ),
    "api-telegram-shared-bots": _api("/telegram/shared-bots", GET=SIGNED_IN),
    "api-telegram-bot": _api("/telegram/bots/{bot}", {"is_shared": True}, GET=OWN, PATCH=OWN, DELETE=GONE),
    "api-telegram-bot-webhook": _api(
        "/telegram/bots/{bot}/webhook", GET=(401, 403, 503, 503), PUT=(401, 403, 409, 409), DELETE=(401, 403, 503, 503)
    ),
    "api-telegram-bot-rotate": _api("/telegram/bots/{bot}/rotate", {}, POST=(401, 403, 409, 409)),
    # Nobody links an account to a bot that is not shared but its owner.
    "api-telegram-link-codes": Row(
        address="/api/v1/telegram/bots/{bot}/link-codes",
        cells={"POST": (401, 403, 201, 403)},
        rest=(401, 403, 405, 403),
        bodies={"POST": {"agent": "{agent}"}},
    ),
    "api-telegram-bot-links": _api("/telegram/bots/{bot}/links", GET=OWN),
    "api-telegram-links": _api("/telegram/links", GET=SIGNED_IN),
    "api-telegram-link": _api("/telegram/links/{link}", {"wants_speech": True}, GET=OWN, PATCH=OWN, DELETE=GONE),
    "api-webhook-endpoints": _api("/webhook-endpoints", _ENDPOINT, GET=SIGNED_IN, POST=CREATES),
    "api-webhook-endpoint": _api("/webhook-endpoints/{endpoint}", {"name": "n"}, GET=OWN, PATCH=OWN, DELETE=GONE),
    "api-webhook-endpoint-rotate": _api("/webhook-endpoints/{endpoint}/rotate", {}, POST=(401, 403, 201, 201)),
    "api-webhook-endpoint-on": _api("/webhook-endpoints/{endpoint}/on", POST=OWN),
    "api-webhook-endpoint-off": _api("/webhook-endpoints/{endpoint}/off", POST=OWN),
    "api-webhook-endpoint-test": _api("/webhook-endpoints/{endpoint}/test", POST=(401, 403, 201, 201)),
    "api-webhook-endpoint-redeliver-failed": _api("/webhook-endpoints/{endpoint}/redeliver-failed", POST=OWN),
    "api-webhook-endpoint-deliveries": _api("/webhook-endpoints/{endpoint}/deliveries", GET=OWN),
    "api-webhook-delivery": _api("/webhook-deliveries/{delivery}", GET=OWN),
    "api-webhook-delivery-redeliver": _api("/webhook-deliveries/{delivery}/redeliver", POST=OWN),
    "api-model-prices": _api("/model-prices", GET=SIGNED_IN),
    "api-stop-switch": _api("/stop-switch", {"reason": "r"}, GET=SIGNED_IN, POST=OPERATORS, DELETE=OPERATORS),
    "api-task-operator": _api(
        "/task-operator", {"agent": "{operators_agent}"}, GET=OPERATORS, POST=OPERATORS, DELETE=OPERATORS
    ),
    "api-task-operator-lock": _api("/task-operator/lock", GET=OPERATORS, DELETE=OPERATORS),
    "api-readiness": _api("/readiness", GET=(401, 403, 403, 200)),
    "api-unknown": Row(address="/api/v1/nothing", cells={}, rest=NOTHING),
    "api-outside": Row(address="/api/v2", cells={}, rest=NOTHING),
}

# --- The paths of the older cursor-agents service: its names are looked up among one's own -----------------

OWN_NAME: Final[Expected] = (401, 404, 200, 404)


def _older(address: str, body: Any = None, **cells: Expected) -> Row:
    bodies = {} if body is None else {"POST": body}
    return Row(address=f"/cursor-agents{address}", cells=cells, rest=NO_METHOD, bodies=bodies)


_OLDER_AGENT: Final = {"name": "new", "targetUrl": "https://target.example.org/run", "oneTime": True}
_OLDER_PROMPT: Final = {"name": "new", "prompt": "p", "schedule": "0 9 * * *"}

OLDER: Final[dict[str, Row]] = {
    "cursor-agents-health": Row(
        address="/cursor-agents/health", cells={"GET": (200, 200, 200, 200)}, rest=(405, 405, 405, 405)
    ),
    "cursor-agents-agents": _older("/agents", _OLDER_AGENT, GET=SIGNED_IN, POST=SIGNED_IN),
    "cursor-agents-agent": _older("/agents/older", GET=OWN_NAME, DELETE=OWN_NAME),
    "cursor-agents-queues": _older("/queues", GET=SIGNED_IN),
    "cursor-agents-queue": _older("/queues/older-lane", GET=OWN_NAME, DELETE=OWN_NAME),
    # The others have no runner that it could go to.
    "cursor-agents-prompts": _older("/prompts/recurring", _OLDER_PROMPT, POST=(401, 409, 200, 409)),
    "cursor-agents-prompt": _older("/prompts/older%20prompt", GET=OWN_NAME, DELETE=OWN_NAME),
    "cursor-agents-task-operator": _older("/task-operator", {}, POST=OPERATORS, DELETE=OPERATORS),
    "cursor-agents-lock": _older("/task-operator/lock", GET=OPERATORS, DELETE=OPERATORS),
    "cursor-agents-callback": Row(address="/cursor-agents/task-operator/callback", cells={}, rest=NOTHING),
    "cursor-agents-board": Row(address="/cursor-agents/admin/queues", cells={}, rest=NOTHING),
    "cursor-agents-unknown": Row(address="/cursor-agents/nothing", cells={}, rest=NOTHING),
}

# --- The pages -----------------------------------------------------------------------------------------

SHOWN: Final[Expected] = (LED, 200, 200, 200)
SHOWN_OWN: Final[Expected] = (LED, 403, 200, 200)
SHOWN_TO_OPERATORS: Final[Expected] = (LED, 403, 403, 200)
DONE: Final[Expected] = (LED, 302, 302, 302)
DONE_BY_OPERATORS: Final[Expected] = (LED, 403, 403, 302)
DONE_OWN: Final[Expected] = (LED, 403, 302, 302)
DONE_OWNERS_ONLY: Final[Expected] = (LED, 403, 302, 403)
NO_SUCH_METHOD: Final[Expected] = (405, 405, 405, 405)


def _page(address: str, form: Any = None, **cells: Expected) -> Row:
    return Row(address=address, cells=cells, rest=NO_SUCH_METHOD, bodies={"POST": form} if form else {})


_AGENT_FORM: Final = {
    "name": "new", "queue": "{shared_queue}", "concurrency_limit": "1", "timeout_seconds": "60",
    "output_limit_bytes": "4096", "max_attempts": "1", "retry_base_seconds": "1", "retry_cap_seconds": "1",
    "untrusted_policy": "hold",
}  # fmt: skip
_QUEUE_FORM: Final = {"name": "new", "concurrency_limit": "1", "rate_limit": "", "rate_period_seconds": "60"}
_TASK_FORM: Final = {"prompt": "p", "title": "t", "order": "1", "queue": "{shared_queue}"}
_BUDGET_FORM: Final = {"agent": "", "scope": "total", "token_limit": "5", "cost_limit": ""}
_SCHEDULE_FORM: Final = {
    "name": "new", "agent": "{agent}", "prompt": "p", "timing": "cron", "cron": "0 9 * * *", "zone": "UTC",
    "overlap_policy": "skip", "catch_up_policy": "last", "catch_up_seconds": "60",
}  # fmt: skip
_OPERATOR_FORM: Final = {"agent": "{operators_agent}", "queue": "", "trusts_prompts": "on", "sure": "on"}
_STOP_FORM: Final = {"reason": "r", "running": "stop"}
_PASSWORD_FORM: Final = {"current": "{password}", "new": _NEW_PASSWORD, "again": _NEW_PASSWORD}
_RESET_FORM: Final = {"code": "no-code", "password": _NEW_PASSWORD, "again": _NEW_PASSWORD}

PAGES: Final[dict[str, Row]] = {
    "healthz": _page("/healthz", GET=(200, 200, 200, 200)),
    # Nobody works here, which everybody may know.
    "readyz": _page("/readyz", GET=(503, 503, 503, 503)),
    # Whoever reports is not asked who they are; a report that is none is refused.
    "csp-reports": _page("/csp-reports", POST=(415, 415, 415, 415)),
    # It holds nothing secret.
    "personalq-cli": _page("/cli/personalq-cli", GET=(200, 200, 200, 200)),
    "sign-in": Row(
        address="/sign-in",
        cells={
            "GET": (200, 302, 302, 302),
            "POST": (302, 302, 302, 302),
            "PUT": (200, 302, 302, 302),
            "OPTIONS": (200, 302, 302, 302),
        },
        rest=(405, 302, 302, 302),
        bodies={"POST": {"username": "alice", "password": "{password}"}},
    ),
    # Whoever has not shown a password is led to where it is asked for.
    "sign-in-code": _page("/sign-in/code", {"code": "123456"}, GET=(LED,) * 4, POST=(LED,) * 4),
    "second-factor": _page("/account/second-factor", GET=SHOWN),
    # Without a password, and without a beginning.
    "second-factor-begin": _page("/account/second-factor/begin", {"password": "x"}, POST=(LED, 400, 400, 400)),
    "second-factor-confirm": _page("/account/second-factor/confirm", {"code": "123456"}, POST=(LED, 409, 409, 409)),
    "second-factor-codes": _page("/account/second-factor/codes", {"codes-code": "1"}, POST=(LED, 400, 400, 400)),
    "second-factor-off": _page("/account/second-factor/off", {"off-code": "1"}, POST=(LED, 400, 400, 400)),
    "account": _page("/account", GET=SHOWN),
    "account-password": _page("/account/password", _PASSWORD_FORM, GET=SHOWN, POST=DONE),
    # Nothing sends e-mails here, and nobody has a code.
    "account-email": _page(
        "/account/email", {"email": "n@example.net", "password": "{password}"}, GET=SHOWN, POST=(LED, 409, 409, 409)
    ),
    "account-email-confirm": _page("/account/email/confirm", {"code": "x"}, GET=SHOWN, POST=(LED, 403, 403, 403)),
    "reset": _page("/reset", {"wanted": "alice"}, GET=(200,) * 4, POST=(409,) * 4),
    "reset-new": _page("/reset/new", _RESET_FORM, GET=(200,) * 4, POST=(403,) * 4),
    "invitation": _page("/invitation", {**_RESET_FORM, "username": "new"}, GET=(200,) * 4, POST=(403,) * 4),
    "invitation-list": _page("/operation/invitations", GET=SHOWN_TO_OPERATORS),
    "invitation-new": _page(
        "/operation/invitations/new", {"email": "n@example.net"}, GET=SHOWN_TO_OPERATORS, POST=SHOWN_TO_OPERATORS
    ),
    "invitation-withdraw": _page(
        "/operation/invitations/{invitation}/withdraw", {"sure": "yes"}, GET=SHOWN_TO_OPERATORS, POST=DONE_BY_OPERATORS
    ),
    "sessions": _page("/account/sessions", GET=SHOWN),
    "session-end-others": _page("/account/sessions/end-others", POST=DONE),
    "session-end": _page("/account/sessions/{session}/end", POST=(LED, 403, 302, 403)),
    "sign-out": _page("/sign-out", POST=(LED, LED, LED, LED), OPTIONS=(200, 200, 200, 200)),
    "socket-token": _page("/session/socket-token", POST=SIGNED_IN),
    "overview": _page("/", GET=SHOWN),
    "overview-summary": _page("/overview/summary", GET=SHOWN),
    "task-list": _page("/tasks", GET=SHOWN),
    "task-rows": _page("/tasks/rows?ids={ready}", GET=SHOWN),
    "task-new": _page("/tasks/new", {"agent": "{agent}", "prompt": "p"}, GET=SHOWN, POST=(LED, 400, 302, 400)),
    "task": _page("/tasks/{ready}", GET=SHOWN_OWN),
    "task-panel": _page("/tasks/{ready}/panel", GET=SHOWN_OWN),
    "task-output": _page("/tasks/{ready}/output", GET=SHOWN_OWN),
    "task-cancel": _page("/tasks/{ready}/cancel", POST=DONE_OWN),
    "task-retry": _page("/tasks/{cancelled}/retry", POST=DONE_OWN),
    "task-release": _page("/tasks/{backlogged}/release", POST=DONE_OWN),
    "task-backlog": _page("/tasks/{ready}/backlog", POST=DONE_OWN),
    "task-restore": _page("/tasks/{archived}/restore", POST=DONE_OWN),
    "task-archive": _page("/tasks/{complete}/archive", POST=DONE_OWN),
    "task-edit": _page("/tasks/{ready}/edit", _TASK_FORM, GET=SHOWN_OWN, POST=DONE_OWN),
    "bulk-action-list": _page("/bulk-actions", GET=SHOWN),
    "bulk-action-new": _page("/bulk-actions/new?action=cancel", {"reason": "r"}, GET=SHOWN, POST=DONE),
    "bulk-action": _page("/bulk-actions/{bulk_action}", GET=SHOWN_OWN),
    "bulk-action-panel": _page("/bulk-actions/{bulk_action}/panel", GET=SHOWN_OWN),
    "bulk-action-stop": _page("/bulk-actions/{bulk_action}/stop", POST=DONE_OWN),
    "dead-letter-list": _page("/dead-letters", GET=SHOWN),
    "dead-letters-retry": _page("/dead-letters/retry", POST=DONE),
    "dead-letters-discard": _page("/dead-letters/discard", {"sure": "yes"}, GET=SHOWN, POST=DONE),
    "agent-list": _page("/agents", GET=SHOWN),
    "agent-new": _page("/agents/new?kind=echo", _AGENT_FORM, GET=SHOWN, POST=(LED, 302, 302, 302)),
    "agent": _page("/agents/{idle_agent}", _AGENT_FORM, GET=SHOWN_OWN, POST=DONE_OWN),
    "credential-list": _page("/credentials", GET=SHOWN),
    "credential-new": _page(
        "/credentials/new?provider=anthropic",
        {"name": "new", "secret": "sk-0123456789abcdef"},
        GET=SHOWN,
        POST=DONE,
    ),
    "credential": _page("/credentials/{credential}", {"name": "n"}, GET=SHOWN_OWN, POST=DONE_OWNERS_ONLY),
    "credential-delete": _page(
        "/credentials/{credential}/delete", {"sure": "yes"}, GET=(LED, 403, 200, 403), POST=DONE_OWNERS_ONLY
    ),
    "credential-test": _page("/credentials/{credential}/test", POST=DONE_OWNERS_ONLY),
    "activity": _page("/account/activity", GET=SHOWN),
    "token-list": _page("/tokens", GET=SHOWN),
    # The token is shown in the answer itself: nothing that is kept could be led to.
    "token-new": _page(
        "/tokens/new", {"name": "new", "expires_in_days": "90", "scopes": "tasks:read"}, GET=SHOWN, POST=SHOWN
    ),
    "token": _page("/tokens/{token}", GET=SHOWN_OWN),
    "token-revoke": _page("/tokens/{token}/revoke", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "door-list": _page("/doors", GET=SHOWN),
    # Without a kind there is nothing to send; the form of one is tested with the pages.
    "door-new": _page("/doors/new", GET=SHOWN, POST=SHOWN),
    "door": _page("/doors/{door}", GET=SHOWN_OWN),
    "door-edit": _page("/doors/{door}/edit", {"name": "n", "agent": "{agent}"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "door-rotate": _page("/doors/{door}/rotate", {"keep_old_seconds": "0"}, GET=SHOWN_OWN, POST=SHOWN_OWN),
    "door-delete": _page("/doors/{door}/delete", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "door-test": _page("/doors/{door}/test", {"payload": '{{"a": 1}}'}, GET=SHOWN_OWN, POST=SHOWN_OWN),
    "door-open": _page("/doors/{door}/open", POST=DONE_OWN),
    "door-close": _page("/doors/{door}/close", POST=DONE_OWN),
    "telegram": _page("/telegram", GET=SHOWN),
    "telegram-bot-new": _page(
        "/telegram/new", {"name": "new", "token": _BOT_TOKEN}, GET=SHOWN, POST=(LED, 503, 503, 503)
    ),
    "telegram-bot": _page("/telegram/{bot}", GET=SHOWN_OWN),
    "telegram-bot-edit": _page("/telegram/{bot}/edit", {"name": "n"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "telegram-bot-delete": _page("/telegram/{bot}/delete", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "telegram-link-new": _page(
        "/telegram/{bot}/link", {"agent": "{agent}"}, GET=(LED, 403, 200, 403), POST=(LED, 403, 200, 403)
    ),
    "telegram-set-webhook": _page("/telegram/{bot}/set-webhook", POST=DONE_OWN),
    "telegram-check-webhook": _page("/telegram/{bot}/check-webhook", POST=DONE_OWN),
    "telegram-remove-webhook": _page("/telegram/{bot}/remove-webhook", POST=DONE_OWN),
    "telegram-rotate": _page("/telegram/{bot}/rotate", POST=DONE_OWN),
    "telegram-link": _page("/telegram/links/{link}", {"agent": "{agent}"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "telegram-link-end": _page("/telegram/links/{link}/end", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "endpoint-list": _page("/webhook-endpoints", GET=SHOWN),
    # The secret is shown in the answer itself, as with tokens.
    "endpoint-new": _page("/webhook-endpoints/new", _ENDPOINT, GET=SHOWN, POST=SHOWN),
    "endpoint": _page("/webhook-endpoints/{endpoint}", GET=SHOWN_OWN),
    "endpoint-edit": _page("/webhook-endpoints/{endpoint}/edit", _ENDPOINT, GET=SHOWN_OWN, POST=DONE_OWN),
    "endpoint-rotate": _page(
        "/webhook-endpoints/{endpoint}/rotate", {"keep_old_seconds": "0"}, GET=SHOWN_OWN, POST=SHOWN_OWN
    ),
    "endpoint-delete": _page("/webhook-endpoints/{endpoint}/delete", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "endpoint-on": _page("/webhook-endpoints/{endpoint}/on", POST=DONE_OWN),
    "endpoint-off": _page("/webhook-endpoints/{endpoint}/off", POST=DONE_OWN),
    "endpoint-test": _page("/webhook-endpoints/{endpoint}/test", POST=DONE_OWN),
    "endpoint-redeliver-failed": _page("/webhook-endpoints/{endpoint}/redeliver-failed", POST=DONE_OWN),
    "delivery": _page("/webhook-deliveries/{delivery}", GET=SHOWN_OWN),
    "delivery-redeliver": _page("/webhook-deliveries/{delivery}/redeliver", POST=DONE_OWN),
    "agent-test": _page("/agents/{idle_agent}/test", POST=DONE_OWN),
    "approval-list": _page("/approvals", GET=SHOWN),
    "approval-rows": _page("/approvals/rows", GET=SHOWN),
    "approval": _page("/approvals/{approval}", GET=SHOWN_OWN),
    "approval-approve": _page("/approvals/{approval}/approve", {"text_digest": "{text_digest}"}, POST=DONE_OWN),
    "approval-deny": _page("/approvals/{approval}/deny", {"text_digest": "{text_digest}"}, POST=DONE_OWN),
    "conversation-list": _page("/conversations", GET=SHOWN),
    "conversation": _page("/conversations/{conversation}", {"prompt": "p"}, GET=SHOWN_OWN, POST=(LED, 403, 302, 409)),
    "conversation-panel": _page("/conversations/{conversation}/panel", GET=SHOWN_OWN),
    "budget-list": _page("/budgets", GET=SHOWN),
    "budget-new": _page("/budgets/new", _BUDGET_FORM, GET=SHOWN, POST=DONE),
    "budget": _page("/budgets/{budget}", _BUDGET_FORM, GET=SHOWN_OWN, POST=DONE_OWN),
    "budget-delete": _page("/budgets/{budget}/delete", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "agent-delete": _page("/agents/{idle_agent}/delete", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "agent-pause": _page("/agents/{agent}/pause", POST=DONE_OWN),
    "agent-resume": _page("/agents/{agent}/resume", POST=DONE_OWN),
    "agent-end-hold": _page("/agents/{agent}/end-hold", POST=DONE_OWN),
    "notices": _page("/notices", {"batch_minutes": "5"}, GET=SHOWN, POST=DONE),
    # Whoever has the link may use it, signed in or not.
    "notices-off": Row(
        address="/notices/off", cells={"GET": (404,) * 4, "POST": (404,) * 4}, rest=(405, 405, 405, 405)
    ),
    "queue-list": _page("/queues", GET=SHOWN),
    "queue-new": _page("/queues/new", _QUEUE_FORM, GET=SHOWN, POST=DONE),
    "queue": _page("/queues/{queue}", _QUEUE_FORM, GET=SHOWN_OWN, POST=DONE_OWN),
    "queue-delete": _page("/queues/{queue}/delete", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "queue-pause": _page("/queues/{queue}/pause", POST=DONE_OWN),
    "queue-resume": _page("/queues/{queue}/resume", POST=DONE_OWN),
    "schedule-list": _page("/schedules", GET=SHOWN),
    "schedule-rows": _page("/schedules/rows", GET=SHOWN),
    "schedule-new": _page("/schedules/new", _SCHEDULE_FORM, GET=SHOWN, POST=(LED, 400, 302, 400)),
    "schedule-preview": _page("/schedules/preview", _SCHEDULE_FORM, POST=SHOWN),
    "schedule": _page("/schedules/{schedule}", GET=SHOWN_OWN),
    "schedule-panel": _page("/schedules/{schedule}/panel", GET=SHOWN_OWN),
    "schedule-edit": _page("/schedules/{schedule}/edit", _SCHEDULE_FORM, GET=SHOWN_OWN, POST=DONE_OWN),
    "schedule-delete": _page("/schedules/{schedule}/delete", {"sure": "yes"}, GET=SHOWN_OWN, POST=DONE_OWN),
    "schedule-run": _page("/schedules/{schedule}/run", POST=DONE_OWN),
    "schedule-pause": _page("/schedules/{schedule}/pause", POST=DONE_OWN),
    "schedule-resume": _page("/schedules/{schedule}/resume", POST=DONE_OWN),
    "stop-switch-on": _page("/stop-switch/on", _STOP_FORM, POST=DONE_BY_OPERATORS),
    "task-operator": _page("/task-operator", _OPERATOR_FORM, GET=SHOWN_TO_OPERATORS, POST=DONE_BY_OPERATORS),
    "task-operator-off": _page("/task-operator/off", POST=DONE_BY_OPERATORS),
    "task-operator-clear": _page("/task-operator/clear", POST=DONE_BY_OPERATORS),
    "stop-switch-off": _page("/stop-switch/off", POST=DONE_BY_OPERATORS),
}

# --- Doors of other systems, which know no users: a secret of their own opens them ----------------------

DOORS: Final[dict[str, Row]] = {
    "runner-callback": Row(
        address="/webhooks/runner/{ready}/1", cells={"POST": (401, 401, 401, 401)}, rest=NO_SUCH_METHOD
    ),
    # What is no JSON is refused before anybody asks whose it is.
    "door-webhook": Row(address="/webhooks/in/{door}", cells={"POST": (415,) * 4}, rest=NO_SUCH_METHOD),
    "door-call": Row(address="/webhooks/elevenlabs/{door}", cells={"POST": (415,) * 4}, rest=NO_SUCH_METHOD),
    "agent-tools": Row(address="/agent-tools", cells={"POST": (401,) * 4}, rest=NO_SUCH_METHOD),
    "telegram-update": Row(
        address="/webhooks/telegram/{bot}", cells={"POST": (401, 401, 401, 401)}, rest=NO_SUCH_METHOD
    ),
}

# --- The admin: for operators, and only where a table may be written by hand --------------------------------


def _operators(answer: int | str) -> Expected:
    return (LED, 403, 403, answer)


def _admin(address: str, get: int | str = 200, post: int | str = 200) -> Row:
    cells = {"GET": _operators(get), "POST": _operators(post)}
    return Row(address=f"/admin/{address}", cells=cells, rest=None, bodies={"POST": {}})


def _model(path: str, number: str, *, add: int = 200, change: int = 200, delete: int = 200) -> dict[str, Row]:
    """The six routes of a model. 200 after an empty form means that it is shown again; 403 that nobody may."""
    name = "admin:" + path.replace("/", "_")
    return {
        f"{name}_changelist": _admin(f"{path}/"),
        f"{name}_add": _admin(f"{path}/add/", add, add),
        f"{name}_change": _admin(f"{path}/{number}/change/", 200, change),
        f"{name}_delete": _admin(f"{path}/{number}/delete/", delete, delete),
        f"{name}_history": _admin(f"{path}/{number}/history/"),
        f"admin/{path}/<path:object_id>/": _admin(f"{path}/{number}/", 302, 302),
    }


ADMIN: Final[dict[str, Row]] = {
    "admin:index": _admin(""),
    "admin:login": _admin("login/", LED, LED),
    "admin:logout": _admin("logout/", 405, LED),
    # One's own is changed where the present one is asked for.
    "admin:password_change": _admin("password_change/", 302, 302),
    "admin:password_change_done": _admin("password_change/done/", 302, 302),
    "admin:autocomplete": _admin("autocomplete/", 403, 405),
    "admin:jsi18n": _admin("jsi18n/", 200, 405),
    "admin:view_on_site": _admin("r/{task_type_id}/{task_id}/", 404, 404),
    "admin:app_list": _admin("tasks/"),
    "admin/(?P<url>.*)$": _admin("nothing", 404, 404),
    "admin:auth_user_password_change": _admin("accounts/user/{owner_id}/password/"),
    **_model("auth/group", "{group_id}"),
    **_model("accounts/user", "{owner_id}"),
    **_model("accounts/tokenfamily", "{family_id}", add=403, change=403, delete=403),
    **_model("accounts/personaltoken", "{token_id}", add=403, change=403, delete=403),
    **_model("accounts/secondfactor", "{second_factor_id}", add=403, change=403, delete=403),
    **_model("accounts/recoverycode", "{recovery_code_id}", add=403, change=403, delete=403),
    **_model("accounts/onetimecode", "{code_id}", add=403, change=403, delete=403),
    **_model("accounts/credential", "{credential_id}", add=403, change=403),
    **_model("accounts/auditevent", "{audit_event_id}", add=403, change=403, delete=403),
    **_model("accounts/auditmark", "{audit_mark_id}", add=403, change=403, delete=403),
    **_model("webhooks/notice", "{notice_id}", add=403, change=403, delete=403),
    **_model("webhooks/noticechoice", "{notice_choice_id}", add=403, change=403, delete=403),
    **_model("webhooks/door", "{door_id}", add=403, change=403, delete=403),
    **_model("webhooks/doorsecret", "{door_secret_id}", add=403, change=403, delete=403),
    **_model("webhooks/inboundrequest", "{inbound_request_id}", add=403, change=403, delete=403),
    **_model("webhooks/telegrambot", "{bot_id}", add=403, change=403, delete=403),
    **_model("webhooks/telegramlink", "{link_id}", add=403, change=403, delete=403),
    **_model("webhooks/telegramlinkcode", "{link_code_id}", add=403, change=403, delete=403),
    **_model("webhooks/telegramthread", "{thread_id}", add=403, change=403, delete=403),
    **_model("webhooks/telegramreply", "{reply_id}", add=403, change=403, delete=403),
    **_model("webhooks/telegramrecording", "{recording_id}", add=403, change=403, delete=403),
    **_model("webhooks/endpoint", "{endpoint_id}", add=403, change=403, delete=403),
    **_model("webhooks/endpointsecret", "{endpoint_secret_id}", add=403, change=403, delete=403),
    **_model("webhooks/delivery", "{delivery_id}", add=403, change=403, delete=403),
    **_model("webhooks/deliveryattempt", "{delivery_attempt_id}", add=403, change=403, delete=403),
    **_model("tasks/agent", "{agent_id}", delete=403),
    **_model("tasks/approval", "{approval_id}", add=403, change=403, delete=403),
    **_model("tasks/attemptspending", "{attempt_spending_id}", add=403, change=403, delete=403),
    **_model("tasks/budget", "{budget_id}"),
    **_model("tasks/olderagent", "{older_agent_id}", add=403, change=403, delete=403),
    **_model("tasks/modelprice", "{price_id}"),
    **_model("tasks/spending", "{spending_id}", add=403, change=403, delete=403),
    **_model("tasks/artifact", "{artifact_id}", add=403, change=403, delete=403),
    **_model("tasks/conversation", "{conversation_id}", add=403, change=403, delete=403),
    **_model("tasks/expectedreport", "{report_id}", add=403, change=403, delete=403),
    **_model("tasks/runnertarget", "{target_id}", add=403, change=403, delete=403),
    **_model("tasks/bulkaction", "{bulk_action_id}", add=403, change=403, delete=403),
    **_model("tasks/queue", "{queue_id}", delete=403),
    **_model("tasks/schedule", "{schedule_id}", add=403, delete=403),
    **_model("tasks/schedulefire", "{fire_id}", add=403, change=403, delete=403),
    **_model("tasks/task", "{task_id}", add=403, delete=403),
    **_model("tasks/userlimits", "{limits_id}"),
    **_model("tasks/systemsetting", "note", add=403, change=403, delete=403),
    **_model("tasks/heartbeat", "sweep", add=403, change=403, delete=403),
    **_model("tasks/taskevent", "{event_id}", add=403, change=403, delete=403),
}

MATRIX: Final[dict[str, Row]] = {**API, **OLDER, **PAGES, **DOORS, **ADMIN}

# --- Sockets: what each actor's first messages are answered with, on the only socket route ---------------------

SOCKET_PATHS: Final = {"/ws", "/ws/"}
SOCKET: Final[dict[str, tuple[str, str, str, str]]] = {
    "subscribe to all": ("close 4401", "subscribed", "subscribed", "subscribed"),
    "subscribe to the owner's task": ("close 4401", "not_yours", "subscribed", "subscribed"),
}
