"""What may not stand in the product's own code, read from its syntax trees.

A rule yields the nodes that it objects to; `test_source.py` says which of them somebody has looked at, and why they
may stay.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.contracts.test_architecture import ROOT, sources

Rule = Callable[[ast.AST], Iterator[ast.AST]]

# Names of kinds, states and fields have these words in them as well.
_SECRET_NAME: Final = re.compile(
    r"(^|_)(secret|secrets|password|passphrase|digest|mac|hmac|seal|signature|token|api_key|code_text|recovery_code)$"
)
_EXECUTES: Final = frozenset({"execute", "executemany"})
_CACHE_CALLS: Final = frozenset(
    {"get", "set", "add", "delete", "incr", "decr", "touch", "get_or_set", "get_many", "set_many", "delete_many"}
)
_REDIS_CALLS: Final = frozenset(
    {"setex", "getdel", "hset", "hget", "hgetall", "expire", "zadd", "zrange", "sadd", "lpush", "rpush", "publish"}
    | {"group_add", "group_discard", "group_send", "keys_of", "scan", "scan_iter", "eval", "evalsha", "xadd", "xread"}
)
_STORES: Final = re.compile(r"(^|[._])(cache|caches|redis|valkey|channel_layer|layer)\b", re.IGNORECASE)
# `body` is what a form has let through (`read_body`); `body_of` and these are not.
_OF_A_REQUEST: Final = re.compile(
    r"(^|\.)(data|GET|POST|query_params|initial_data|body_of|loads|strict_json\.parse)$|request\.(body|headers|META)$"
)
_STORE_PACKAGES: Final = (
    *("redis", "valkey", "aioredis", "coredis", "glide", "django_redis", "channels_redis", "django_ratelimit"),
    *("django.core.cache", "channels.layers"),
)
_OPENS: Final = frozenset({"open", "read_text", "read_bytes", "write_text", "write_bytes"})
_UNSAFE_IMPORTS: Final = frozenset({"pickle", "cPickle", "dill", "marshal", "shelve", "jsonpickle", "cloudpickle"})
_SHELLS: Final = frozenset({"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"})
_YAML: Final = frozenset({"yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"})
_MARKS_SAFE: Final = frozenset({"mark_safe", "SafeString", "SafeText", "Markup"})
_TEMPLATES_OF_TEXT: Final = frozenset({"Template", "from_string", "Environment", "template_from_string"})


def name_of(node: ast.AST) -> str:
    """`a.b.c` of an attribute or a call's function; the name alone where that is all there is."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    if isinstance(node, ast.Subscript):
        return name_of(node.value)
    return name_of(node.func) if isinstance(node, ast.Call) else ""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    yield from ((name_of(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def is_put_together(node: ast.AST) -> bool:
    """Whether a text is made of parts while the program runs: f-string, `+`, `%`, `format` or `join`."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod)
    return isinstance(node, ast.Call) and name_of(node).rpartition(".")[2] in {"format", "join", "format_map"}


def compared_secrets(tree: ast.AST) -> Iterator[ast.AST]:
    """A-51: `==` or `!=` between a secret and something that is not a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
            sides = [node.left, *node.comparators]
            if any(_is_secret(side) for side in sides) and not any(_is_constant(side) for side in sides):
                yield node


def _is_secret(node: ast.AST) -> bool:
    return bool(_SECRET_NAME.search(name_of(node).rpartition(".")[2].lower()))


def _is_constant(node: ast.AST) -> bool:
    last = name_of(node).rpartition(".")[2]
    return isinstance(node, ast.Constant) or (last.isupper() and bool(last))


def raw_queries(tree: ast.AST) -> Iterator[ast.AST]:
    """A-70: SQL past the ORM's own quoting."""
    for name, call in calls(tree):
        last = name.rpartition(".")[2]
        if last in {"RawSQL", "raw", "extra"} or (last in _EXECUTES and call.args and is_put_together(call.args[0])):
            yield call


def composed_statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A-70: a variable that is executed; whoever reviews it looks at where it comes from."""
    for name, call in calls(tree):
        is_execution = name.rpartition(".")[2] in _EXECUTES and bool(call.args)
        if is_execution and not isinstance(call.args[0], ast.Constant) and not _is_constant(call.args[0]):
            yield call


def unpacked_requests(tree: ast.AST) -> Iterator[ast.AST]:
    """A-70: names chosen by whoever sends the request become names of arguments, past every form."""
    for _, call in calls(tree):
        for keyword in call.keywords:
            if keyword.arg is None and _OF_A_REQUEST.search(name_of(keyword.value)):
                yield call


def composed_keys(tree: ast.AST) -> Iterator[ast.AST]:
    """A-126, A-129, A-130: keys, groups and channels of Redis that are put together where they are used."""
    for name, call in calls(tree):
        holder, _, last = name.rpartition(".")
        is_about_stores = last in _REDIS_CALLS or (last in _CACHE_CALLS and bool(_STORES.search(holder)))
        if is_about_stores and any(is_put_together(argument) for argument in call.args[:2]):
            yield call
        if last in {"keys", "scan", "scan_iter"} and call.args and _STORES.search(holder):
            yield call


def store_imports(tree: ast.AST) -> Iterator[ast.AST]:
    """A-126, A-129, A-130: whatever could name a key, a group or a channel, however that would be spelt."""
    for node in ast.walk(tree):
        if any(f"{name}.".startswith(f"{store}.") for name in _imported(node) for store in _STORE_PACKAGES):
            yield node


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Attribute) and node.attr == "channel_layer":
        # What a consumer of Channels is given without any import.
        yield "channels.layers"
    elif isinstance(node, ast.Call) and name_of(node.func).rpartition(".")[2] in {"import_module", "import_string"}:
        yield from (str(each.value) for each in node.args[:1] if isinstance(each, ast.Constant))


def opened_files(tree: ast.AST) -> Iterator[ast.AST]:
    """A-174: files that are opened; whoever reviews it looks at whose word the name is."""
    yield from (call for name, call in calls(tree) if name.rpartition(".")[2] in _OPENS)


def unverified_tls(tree: ast.AST) -> Iterator[ast.AST]:
    """A-185: a connection that believes any certificate."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in {"verify", "ssl", "check_hostname", "verify_ssl"}:
            if _is_false(node.value):
                yield node.value
        elif isinstance(node, ast.Call) and name_of(node.func).rpartition(".")[2] == "SSLContext":
            # Any other protocol, and none, begins with a context that verifies nothing.
            if [name_of(each).rpartition(".")[2] for each in node.args[:1]] != ["PROTOCOL_TLS_CLIENT"]:
                yield node
        elif name_of(node).endswith(("CERT_NONE", "_create_unverified_context")) or _sets_check_hostname(node):
            yield node


def _sets_check_hostname(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(name_of(each).endswith("check_hostname") for each in node.targets)


def run_texts(tree: ast.AST) -> Iterator[ast.AST]:
    """V1.5.2: texts that become objects or programs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {str(getattr(node, "module", ""))}
            if {name.partition(".")[0] for name in names} & _UNSAFE_IMPORTS:
                yield node
    for name, call in calls(tree):
        is_shell = any(keyword.arg == "shell" and not _is_false(keyword.value) for keyword in call.keywords)
        is_shell = is_shell or name.rpartition(".")[2] in {"create_subprocess_shell", "subprocess_shell"}
        if name in {"eval", "exec", "compile", "__import__"} or name in _SHELLS | _YAML or is_shell:
            yield call


def _is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def read_environments(tree: ast.AST) -> Iterator[ast.AST]:
    """A-93: the environment, read past the typed readers of settings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and name_of(node) in {"os.environ", "os.environb", "os.getenv"}:
            yield node
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (alias for alias in node.names if alias.name in {"environ", "environb", "getenv"})


def marked_safe(tree: ast.AST) -> Iterator[ast.AST]:
    """A-71, B-P-3: text that is declared to be HTML already, or a template that is one's own text."""
    for name, call in calls(tree):
        last = name.rpartition(".")[2]
        if last in _MARKS_SAFE or (last == "format_html" and call.args and not isinstance(call.args[0], ast.Constant)):
            yield call


def rendered_texts(tree: ast.AST) -> Iterator[ast.AST]:
    """V1.3.7: a text that becomes a template, or one that decides how objects are formatted."""
    for name, call in calls(tree):
        last = name.rpartition(".")[2]
        if last in _TEMPLATES_OF_TEXT and (call.args and not isinstance(call.args[0], ast.Constant)):
            yield call
        elif last in {"format", "format_map", "vformat"} and isinstance(call.func, ast.Attribute):
            base = call.func.value
            if not isinstance(base, ast.Constant) and not _is_constant(base):
                yield call


def found(rule: Rule, source: str) -> list[str]:
    """What the rule objects to in a piece of code, as it would be written."""
    return [ast.unparse(node) for node in rule(ast.parse(source))]


@cache
def trees() -> dict[str, ast.Module]:
    """Every file of the product, by its name."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in sources()}


@cache
def objections(rule: Rule) -> frozenset[tuple[str, str]]:
    """File and code of everything that the rule objects to in the product."""
    return frozenset((name, ast.unparse(node)) for name, tree in trees().items() for node in rule(tree))


def templates() -> Iterator[Path]:
    yield from (
        path for folder in ("templates", "realtime", "accounts", "tasks") for path in (ROOT / folder).rglob("*.html")
    )
