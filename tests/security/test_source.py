"""The product's own code has none of the known dangerous forms, but where somebody has looked and says why.

Each rule is tried on code that it must object to, so that one which sees nothing cannot pass for a clean house.
"""

import pytest

from tests.security import source_rules as rules

pytestmark = pytest.mark.security

# It knows nothing of users and requests, which a contract of the imports keeps so.
EMBEDDED = "personalq/embedded/"

# File, code, and why that may stay.
REVIEWED: dict[rules.Rule, dict[tuple[str, str], str]] = {
    rules.compared_secrets: {},
    rules.unpacked_requests: {},
    rules.composed_keys: {},
    rules.marked_safe: {},
    rules.raw_queries: {
        (f"{EMBEDDED}postgres.py", "connection.execute(sql.SQL('CREATE DATABASE {}').format(sql.Identifier(name)))"): (
            "psycopg's own quoting of a name that is ours"
        ),
        (
            "personalq/lib/database_guards.py",
            "cursor.execute(statement.format(name))",
        ): "names of a constant of the file",
        ("tasks/importing/older_file.py", "database.execute(f'PRAGMA table_info({table})')"): "two names of ours",
        ("tasks/importing/older_file.py", "database.execute(f'PRAGMA {pragma}')"): "three texts of ours",
        ("tasks/queue_counts.py", "cursor.execute(lanes + _COUNTS, values)"): "texts of ours; values apart",
    },
    rules.run_texts: {
        (
            "tasks/runners/processes/guard.py",
            "__import__('confinement')",
        ): "a neighbour, in a process without our packages",
    },
    rules.unverified_tls: {},
    rules.rendered_texts: {
        ("personalq/api_docs.py", "text.format(_shown(resolved[name]))"): "a text of ours, one value that is a string",
        ("personalq/lib/database_guards.py", "statement.format(name)"): "texts of ours",
    },
}

# Statements in a variable: whoever reads the file sees that it is one of several constants of ours.
EXECUTES_CONSTANTS_OF_OURS = {
    "accounts/app_role.py",
    "accounts/audit/chain.py",
    "accounts/idempotency.py",
    "tasks/importing/older_file.py",
    "tasks/locks.py",
    "tasks/queue_counts.py",
    "tasks/selection.py",
    "tasks/sql_access/doors.py",
    "tasks/sql_access/roles.py",
    "webhooks/outbound/recording.py",
    "personalq/lib/database_guards.py",
    "personalq/lib/inspections/database.py",
}

# Files, and whose word the names are that they open.
OPENS_FILES = {
    "accounts/management/commands/export_audit.py": "the operator's, on the command line",
    "personalq/lib/inspections/dependencies.py": "the operator's, on the command line",
    "personalq/lib/env.py": "the operator's: files with secrets",
    "personalq/lib/static_files.py": "ours: static files",
    "tasks/cli/download.py": "ours: the client",
    "tasks/cli/personalq_cli.py": "the person's at whose machine the client runs",
    "tasks/importing/older_file.py": "the operator's, on the command line",
    "tasks/management/commands/create_sql_role.py": "the operator's, on the command line",
    "tasks/management/commands/import_tasks.py": "the operator's, on the command line",
    "tasks/older_tools/sources.py": "the operator's, on the command line",
    "tasks/runners/commands/prompts.py": "ours: in the attempt's own folder, new, without following links",
    "tasks/runners/commands/tree.py": "a program's: below an open folder, without following links, a limit for each",
    "tasks/runners/commands/workspaces.py": "a repository's: below an open folder, without following links",
    "tasks/runners/processes/confinement.py": "ours and the operator's: what a program may use",
    "tasks/runners/processes/guard.py": "ours: /proc",
    "tasks/runners/processes/scratch.py": "ours: attempts' folders, without following links",
    "tasks/runners/processes/strays.py": "ours: /proc",
    "tasks/runners/provider_limits.py": "ours: /etc/localtime",
    "tasks/untrusted/characters.py": "ours: a table",
    "tasks/untrusted/lexicon.py": "ours: a table",
    "tasks/untrusted/wording.py": "ours: a table",
}

# Files that reach Valkey at all, and what for. Their keys and groups were looked at one by one.
REACHES_STORES = {
    "personalq/lib/inspections/redis_server.py": "asks the server for its settings; no key",
    "personalq/lib/rate_limits.py": "counts under names that are hashed there",
    "personalq/lib/translation.py": "the name of an error",
    "realtime/announcer.py": "sends to the one group, whose name is a constant",
    "realtime/layer.py": "joins the one group, whose name is a constant",
    "realtime/outages.py": "the name of an error",
    "tasks/readiness.py": "asks the server whether it is there; no key",
}

READS_ENVIRONMENT = {
    "personalq/asgi.py": "names the settings",
    "personalq/celery.py": "names the settings",
    "tasks/cli/personalq_cli.py": "a client on other people's machines",
    "tasks/runners/processes/guard.py": "a process of its own, with an environment made for it",
}

# What each rule must object to, and what it must let be.
PLANTED: list[tuple[rules.Rule, str]] = [
    (rules.compared_secrets, "given == door.secret"),
    (rules.compared_secrets, "if token_digest != digest: pass"),
    (rules.compared_secrets, "assert signature == computed(body)"),
    (rules.raw_queries, "cursor.execute(f'SELECT {name}')"),
    (rules.raw_queries, "cursor.execute('SELECT %s' % name)"),
    (rules.raw_queries, "cursor.execute('SELECT ' + name)"),
    (rules.raw_queries, "cursor.executemany('SELECT {}'.format(name), rows)"),
    (rules.raw_queries, "Task.objects.raw(text)"),
    (rules.raw_queries, "rows.extra(where=[text])"),
    (rules.raw_queries, "RawSQL(text, [])"),
    (rules.composed_statements, "cursor.execute(statement)"),
    (rules.unpacked_requests, "Task.objects.filter(**request.data)"),
    (rules.unpacked_requests, "Task(**self.request.POST)"),
    (rules.unpacked_requests, "rows.filter(**request.query_params)"),
    (rules.unpacked_requests, "User.objects.create(**form.data)"),
    (rules.unpacked_requests, "Task(**json.loads(request.body))"),
    (rules.composed_keys, "cache.get(f'run:{name}')"),
    (rules.composed_keys, "caches['default'].set('run:' + name, 1)"),
    (rules.composed_keys, "redis.delete('run:%s' % name)"),
    (rules.composed_keys, "await layer.group_add(f'user-{user.pk}', channel)"),
    (rules.composed_keys, "client.hset('a:{}'.format(name), 'b', 1)"),
    (rules.composed_keys, "redis.keys(pattern)"),
    (rules.composed_keys, "self._redis.scan_iter(pattern)"),
    (rules.store_imports, "import redis"),
    (rules.store_imports, "import redis.asyncio as r"),
    (rules.store_imports, "from redis import asyncio"),
    (rules.store_imports, "from django_redis import get_redis_connection"),
    (rules.store_imports, "from django.core.cache import cache as notes"),
    (rules.store_imports, "from django.core import cache"),
    (rules.store_imports, "import django.core.cache"),
    (rules.store_imports, "from channels.layers import get_channel_layer"),
    (rules.store_imports, "from channels import layers"),
    (rules.store_imports, "from django_ratelimit.decorators import ratelimit"),
    (rules.store_imports, "def f():\n    from redis import Redis"),
    (rules.store_imports, "import_module('redis')"),
    (rules.store_imports, "await self.channel_layer.group_add(name, channel)"),
    (rules.unverified_tls, "get(url, verify=False)"),
    (rules.unverified_tls, "get(url, verify=0)"),
    (rules.unverified_tls, "get(url, verify='')"),
    (rules.unverified_tls, "session.get(url, ssl=False)"),
    (rules.unverified_tls, "ssl.SSLContext(ssl.PROTOCOL_TLS)"),
    (rules.unverified_tls, "SSLContext()"),
    (rules.unverified_tls, "context.verify_mode = ssl.CERT_NONE"),
    (rules.unverified_tls, "context.check_hostname = False"),
    (rules.unverified_tls, "ssl._create_unverified_context()"),
    (rules.run_texts, "import pickle"),
    (rules.run_texts, "from marshal import loads"),
    (rules.run_texts, "yaml.load(text)"),
    (rules.run_texts, "eval(text)"),
    (rules.run_texts, "exec(text)"),
    (rules.run_texts, "subprocess.run(text, shell=True)"),
    (rules.run_texts, "os.system(text)"),
    (rules.run_texts, "await asyncio.create_subprocess_shell(text)"),
    (rules.run_texts, "await loop.subprocess_shell(protocol, text)"),
    (rules.read_environments, "os.environ['SECRET_KEY']"),
    (rules.read_environments, "os.getenv('SECRET_KEY')"),
    (rules.read_environments, "from os import environ"),
    (rules.marked_safe, "mark_safe(task.title)"),
    (rules.marked_safe, "SafeString(text)"),
    (rules.marked_safe, "format_html(task.title)"),
    (rules.marked_safe, "format_html(f'<b>{title}</b>')"),
    (rules.rendered_texts, "Template(task.prompt).render(context)"),
    (rules.rendered_texts, "engine.from_string(task.prompt)"),
    (rules.rendered_texts, "task.prompt.format(task=task)"),
    (rules.rendered_texts, "agent.instruction.format_map(values)"),
    (rules.opened_files, "open(request.data['name'])"),
    (rules.opened_files, "Path(artifact.name).read_bytes()"),
    (rules.opened_files, "(folder / name).write_text(text)"),
]
HARMLESS: list[tuple[rules.Rule, str]] = [
    (rules.compared_secrets, "constant_time_compare(given, door.secret)"),
    (rules.compared_secrets, "door.kind == Kind.SECRET"),
    (rules.compared_secrets, "secret == ''"),
    (rules.raw_queries, "cursor.execute('SELECT %s', [name])"),
    (rules.composed_statements, "cursor.execute(_CLAIM, values)"),
    (rules.unpacked_requests, "lifecycle.cancel(actor=user, **options)"),
    (rules.composed_keys, "await layer.group_add(GROUP, channel)"),
    (rules.composed_keys, "names.get(f'a{b}')"),
    (rules.store_imports, "from functools import cache"),
    (rules.store_imports, "from channels.db import database_sync_to_async"),
    (rules.store_imports, "from django.core import checks"),
    (rules.unverified_tls, "ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)"),
    (rules.unverified_tls, "http.client(limits=LIMITS, verify=True)"),
    (rules.run_texts, "re.compile(pattern)"),
    (rules.run_texts, "subprocess.run(argv, shell=False)"),
    (rules.marked_safe, "format_html('<b>{}</b>', title)"),
    (rules.rendered_texts, "'{}'.format(name)"),
    (rules.rendered_texts, "date_format(moment)"),
]
BY_FILE: dict[rules.Rule, set[str]] = {
    rules.composed_statements: EXECUTES_CONSTANTS_OF_OURS,
    rules.opened_files: set(OPENS_FILES),
    rules.store_imports: set(REACHES_STORES),
    rules.read_environments: set(READS_ENVIRONMENT),
}


@pytest.mark.parametrize("rule", REVIEWED, ids=lambda rule: rule.__name__)
def test_the_code_has_nothing_that_nobody_has_looked_at(rule: rules.Rule) -> None:
    assert rules.objections(rule) - set(REVIEWED[rule]) == frozenset()


@pytest.mark.parametrize("rule", REVIEWED, ids=lambda rule: rule.__name__)
def test_what_was_looked_at_still_stands_there(rule: rules.Rule) -> None:
    assert set(REVIEWED[rule]) - rules.objections(rule) == set()


@pytest.mark.parametrize("rule", BY_FILE, ids=lambda rule: rule.__name__)
def test_only_these_files_do_so(rule: rules.Rule) -> None:
    files = {name for name, _ in rules.objections(rule) if not name.startswith(EMBEDDED)}
    assert files == BY_FILE[rule]


def test_no_template_declares_text_to_be_html() -> None:
    unsafe = ("|safe", "autoescape off", "|safeseq")
    assert [
        path for path in rules.templates() if any(word in path.read_text(encoding="utf-8") for word in unsafe)
    ] == []
    assert len(list(rules.templates())) > 20


@pytest.mark.parametrize(("rule", "code"), PLANTED, ids=[f"{rule.__name__}: {code}" for rule, code in PLANTED])
def test_a_rule_sees_what_it_is_there_for(rule: rules.Rule, code: str) -> None:
    assert rules.found(rule, code)


@pytest.mark.parametrize(("rule", "code"), HARMLESS, ids=[f"{rule.__name__}: {code}" for rule, code in HARMLESS])
def test_a_rule_lets_harmless_code_be(rule: rules.Rule, code: str) -> None:
    assert not rules.found(rule, code)
