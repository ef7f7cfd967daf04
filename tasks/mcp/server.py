"""What the SDK asks of us: the tools and resources of whoever calls, and the answers in the protocol's form."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from sse_starlette.sse import AppStatus

from accounts.scopes import ScopeMissing
from personalq.lib.current_request import serving
from personalq.lib.errors import AppError, NotFound
from personalq.lib.problems import problem_document
from personalq.lib.translation import app_error_from
from personalq.lib.version import VERSION
from tasks.database_threads import DatabaseThreads
from tasks.mcp import arguments, older, resources, tools
from tasks.mcp.callers import SCOPE_KEY, Caller
from tasks.mcp.catalogue import Tool, Work, cut
from tasks.mcp.rest import Rest
from tasks.mcp.waiting import wait_for_task

NAME: Final = "personal-q"
RESOURCE_NOT_FOUND: Final = -32002
THREADS: Final = 4
INSTRUCTIONS: Final = (
    "Personal-Q is a queue of tasks for AI agents. To have something done: add_task, then wait_for_task. To work for "
    "others: next_task, then update_task with the attempt before the lease ends, then complete_task or fail_task. An "
    "error carries a code, a sentence that says what to do, and errors that name wrong fields."
)

Context = ServerRequestContext[Any, Any]
threads = DatabaseThreads(THREADS)
# It would cut streams off at the stop, while waits are about to give their last answer (personalq.lib.stopping).
AppStatus.enable_automatic_graceful_drain = False
logger = logging.getLogger(__name__)


async def list_tools(ctx: Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[tool.listed for tool in tools.open_to(caller_of(ctx))])


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Every failure is a tool's error: whoever reads it is an agent that can do something about it."""
    caller = caller_of(ctx)
    tool = tools.TOOLS.get(params.name)
    if tool is None:
        return failed(NotFound("tools/list names the tools."), caller, text=older.unknown_tool(params.name[:100]))
    given = dict(params.arguments or {})
    try:
        return await _answer(ctx, caller, tool, given)
    except Exception as exception:  # noqa: BLE001 - the boundary to the protocol
        error = as_app_error(exception)
        return failed(error, caller, text=_as_older(tool, given, error) if tool.is_older else "")


async def _answer(ctx: Context, caller: Caller, tool: Tool, given: dict[str, Any]) -> types.CallToolResult:
    missing = tools.missing_scope(caller, tool)
    if missing is not None:
        raise ScopeMissing.of(missing)
    arguments.check(tool.validator, given)
    if tool.work is None:
        answer = await wait_for_task(caller, given, threads=threads, progress=ctx.session.report_progress)
    else:
        answer = await threads.run(_carry_out, work=tool.work, caller=caller, given=given)
    return _told(tool, cut(answer, tool.longest_text))


def _carry_out(*, work: Work, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
    with serving(caller.mark):
        return work(Rest(caller), given)


def _told(tool: Tool, answer: dict[str, Any]) -> types.CallToolResult:
    if tool.is_older:
        return types.CallToolResult(content=[_text(resources.as_json(answer))])
    return types.CallToolResult(content=[_text(json.dumps(answer, ensure_ascii=False))], structured_content=answer)


def failed(error: AppError, caller: Caller, *, text: str = "") -> types.CallToolResult:
    """A tool's error: our code, sentences and fields, as structure and as text."""
    document = problem_document(error, caller.request_id)
    shown = {name: document[name] for name in ("code", "title", "detail", "errors", "request_id")}
    return types.CallToolResult(
        content=[_text(text or json.dumps({"error": shown}, ensure_ascii=False))],
        structured_content={"error": shown},
        is_error=True,
    )


def as_app_error(exception: Exception) -> AppError:
    """What an exception says to those outside; an unexpected one is logged and says nothing."""
    error = app_error_from(exception)
    if error is None or error.status >= AppError.status:
        logger.error("A call by MCP met an error of ours.", exc_info=exception)
    return error or AppError()


def _as_older(tool: Tool, given: Mapping[str, Any], error: AppError) -> str:
    """What the older server's clients know how to read."""
    complaint = older.complaint(tool.name, tool.validator, given)
    named = [f"{each.field}: {each.message}" for each in error.errors]
    return complaint or resources.as_json({"error": " ".join([error.detail, *named]), "code": error.code})


async def list_resources(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    # Tasks are too many to list; list_tasks finds them.
    return types.ListResourcesResult(resources=[])


async def list_templates(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
    return types.ListResourceTemplatesResult(resource_templates=[each.listed for each in resources.TEMPLATES])


async def read_resource(ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    caller = caller_of(ctx)
    try:
        contents = await threads.run(resources.read, caller=caller, uri=params.uri)
    except Exception as exception:  # noqa: BLE001 - the boundary to the protocol
        error = as_app_error(exception)
        document = problem_document(error, caller.request_id)
        code = RESOURCE_NOT_FOUND if isinstance(error, NotFound) or error.code == NotFound.code else _code_of(error)
        raise MCPError(code=code, message=f"{error.title} {error.detail}", data=document) from None
    return types.ReadResourceResult(contents=[contents])


def _code_of(error: AppError) -> int:
    return types.INTERNAL_ERROR if error.status >= AppError.status else types.INVALID_PARAMS


def caller_of(ctx: Context) -> Caller:
    """Who sent the request that the SDK is handling."""
    assert ctx.request is not None  # noqa: S101 - HTTP is the only transport
    caller: Caller = ctx.request.scope[SCOPE_KEY]
    return caller


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


server: Final[Server[Any]] = Server(
    NAME,
    title="Personal-Q",
    version=VERSION,
    instructions=INSTRUCTIONS,
    get_tool_input_schema=tools.schema_of,
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_list_resources=list_resources,
    on_list_resource_templates=list_templates,
    on_read_resource=read_resource,
)
