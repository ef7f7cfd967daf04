"""Every setting of the product, read once from the environment (docs/operations.md explains each one).

What no environment changes stands in `personalq.fixed_settings`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from django.urls import reverse_lazy

from personalq.embedded.layout import Layout
from personalq.fixed_settings import *  # noqa: F403
from personalq.lib import csp, database_guards, env, logs, paths, rates, redaction, static_files, unsafe

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_file(BASE_DIR)

# --- Who we are and what keeps us honest -------------------------------------------------
DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY")
JWT_SIGNING_KEY = env.secret("JWT_SIGNING_KEY")
# Signs nothing: what another key signed is read for as long as this is set.
JWT_OLD_SIGNING_KEY = env.optional_secret("JWT_OLD_SIGNING_KEY")
encryption_keys = env.secret_list("PERSONALQ_ENCRYPTION_KEYS", most=10)
audit_keys = env.secret_list("PERSONALQ_AUDIT_KEYS", most=20)
jwt_keys = {"JWT_SIGNING_KEY": JWT_SIGNING_KEY}
if JWT_OLD_SIGNING_KEY:
    jwt_keys["JWT_OLD_SIGNING_KEY"] = JWT_OLD_SIGNING_KEY
env.distinct({"SECRET_KEY": SECRET_KEY, **jwt_keys, **encryption_keys, **audit_keys})
PERSONALQ_ENCRYPTION_KEYS = list(encryption_keys.values())
# The first chains new rows; all of them verify old ones.
PERSONALQ_AUDIT_KEYS = list(audit_keys.values())
# How long audit events are kept.
PERSONALQ_AUDIT_DAYS = env.days_kept("PERSONALQ_AUDIT_DAYS", 400, 36_500, fewest=30)
redaction.register_secrets(SECRET_KEY, *jwt_keys.values(), *PERSONALQ_ENCRYPTION_KEYS, *PERSONALQ_AUDIT_KEYS)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
PERSONALQ_HTTPS = env.boolean("PERSONALQ_HTTPS", default=True)
if PERSONALQ_HTTPS:
    env.refuse_unsafe(debug=DEBUG, allowed_hosts=ALLOWED_HOSTS)
    unsafe.refuse_local_origins("CSRF_TRUSTED_ORIGINS", CSRF_TRUSTED_ORIGINS)
    unsafe.refuse_bare_redis("REDIS_URL", env.text("REDIS_URL", ""))
PERSONALQ_TRUSTED_PROXIES = env.words("PERSONALQ_TRUSTED_PROXIES")

# --- Where things are kept ------------------------------------------------------------------
EMBEDDED = not env.both_or_neither("DATABASE_URL", "REDIS_URL")
PERSONALQ_PORT = env.positive_int("PORT", Layout.default().kept_port(8000) if EMBEDDED else 8000, 65_535)
# Where outside runners report. Of `make run` it is known; behind a proxy only the operator knows it.
PERSONALQ_PUBLIC_URL = env.public_url(
    "PERSONALQ_PUBLIC_URL",
    default=f"http://127.0.0.1:{PERSONALQ_PORT}" if EMBEDDED and not PERSONALQ_HTTPS else "",
    https=PERSONALQ_HTTPS,
    allowed_hosts=ALLOWED_HOSTS,
)
CONNECTION_OPTIONS = {
    # Threads borrow a connection per piece of work and give it back, so many waiting tasks need few of them.
    "pool": {"min_size": 0, "max_size": env.positive_int("PERSONALQ_DATABASE_CONNECTIONS", 8, 500), "timeout": 15},
}
if EMBEDDED:
    layout = Layout.default()
    DATABASES: dict[str, Any] = {"default": layout.database_settings()}
    PERSONALQ_DATA_DIRECTORIES = [str(layout.root), str(layout.run_dir)]
    REDIS_LAYER_URL, REDIS_CACHE_URL = layout.redis_url(0), layout.redis_url(1)
    CELERY_BROKER_URL = layout.celery_broker_url(2)
else:
    PERSONALQ_DATA_DIRECTORIES = []
    DATABASES = {"default": environ.Env().db("DATABASE_URL")}
    REDIS_LAYER_URL, REDIS_CACHE_URL, CELERY_BROKER_URL = env.redis_urls("REDIS_URL")
DATABASES["default"].setdefault("OPTIONS", {}).update(CONNECTION_OPTIONS)
# Connections in the pool die with a server that restarts. Each is tried before use: else each would cost a request.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["OPTIONS"]["options"] = database_guards.as_options(
    statement_seconds=env.positive_int("PERSONALQ_STATEMENT_TIMEOUT_SECONDS", 30, 3600),
    lock_seconds=env.positive_int("PERSONALQ_LOCK_TIMEOUT_SECONDS", 10, 3600),
    idle_in_transaction_seconds=env.positive_int("PERSONALQ_IDLE_TRANSACTION_TIMEOUT_SECONDS", 15, 3600),
    others=DATABASES["default"]["OPTIONS"].get("options", ""),
)
redaction.register_secrets(DATABASES["default"].get("PASSWORD"), urlsplit(REDIS_LAYER_URL).password)

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_CACHE_URL,
        "OPTIONS": {
            # Pickle would let whoever writes to Redis run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 2,
            "SOCKET_TIMEOUT": 2,
        },
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # redis-py 8 gives up on a socket after 5 s, exactly as long as the layer waits for a message.
            "hosts": [{"address": REDIS_LAYER_URL, "socket_timeout": 15}],
            "capacity": 2000,
            # Members that ended without leaving are forgotten soon; hubs renew theirs every five seconds.
            "group_expiry": 300,
        },
    }
}

# --- Work -----------------------------------------------------------------------------------
PERSONALQ_COMMANDS = env.commands("PERSONALQ_COMMANDS")
PERSONALQ_WORKSPACES = env.workspaces("PERSONALQ_WORKSPACES")
PERSONALQ_WORKSPACE_BYTES = env.positive_int("PERSONALQ_WORKSPACE_BYTES", 268_435_456, 10**12)
PERSONALQ_ARTIFACT_FILE_BYTES = env.positive_int("PERSONALQ_ARTIFACT_FILE_BYTES", 5_242_880, 100_000_000)
PERSONALQ_ARTIFACT_TASK_BYTES = env.positive_int("PERSONALQ_ARTIFACT_TASK_BYTES", 20_971_520, 1_000_000_000)
PERSONALQ_ARTIFACT_COUNT = env.positive_int("PERSONALQ_ARTIFACT_COUNT", 100, 10_000)
# Where agents may reach into the operator's own networks; elsewhere only public addresses by https.
PERSONALQ_INTERNAL_HOSTS = env.internal_hosts("PERSONALQ_INTERNAL_HOSTS")
PERSONALQ_MODEL_BASE_URLS = env.base_urls(
    "PERSONALQ_MODEL_BASE_URLS",
    ("https://api.anthropic.com", "https://api.openai.com/v1"),
    internal=PERSONALQ_INTERNAL_HOSTS,
)
# Where the prompts of the older tools go; empty: every user names their own coding runner.
PERSONALQ_CURSOR_RUNNER_URL = env.optional_base_url("PERSONALQ_CURSOR_RUNNER_URL", internal=PERSONALQ_INTERNAL_HOSTS)
# The Bot API (docs/telegram.md).
PERSONALQ_TELEGRAM_URL = (
    env.optional_base_url("PERSONALQ_TELEGRAM_URL", internal=PERSONALQ_INTERNAL_HOSTS) or "https://api.telegram.org"
)
# Speech to text, text to speech (docs/voice.md).
PERSONALQ_ELEVENLABS_URL = (
    env.optional_base_url("PERSONALQ_ELEVENLABS_URL", internal=PERSONALQ_INTERNAL_HOSTS) or "https://api.elevenlabs.io"
)
# A service that answers the range protocol for breached passwords; empty: nobody is asked (docs/accounts.md).
PERSONALQ_BREACH_CHECK_URL = env.optional_base_url("PERSONALQ_BREACH_CHECK_URL", internal=PERSONALQ_INTERNAL_HOSTS)
PERSONALQ_ELEVENLABS_STT_MODEL = env.text("PERSONALQ_ELEVENLABS_STT_MODEL", "") or "scribe_v1"
PERSONALQ_ELEVENLABS_TTS_MODEL = env.text("PERSONALQ_ELEVENLABS_TTS_MODEL", "") or "eleven_turbo_v2_5"
PERSONALQ_ELEVENLABS_VOICE = env.text("PERSONALQ_ELEVENLABS_VOICE", "") or "JBFqnCBsd6RMkjVDRZzb"
PERSONALQ_SCRATCH_DIR = env.text("PERSONALQ_SCRATCH_DIR", "")
PERSONALQ_WORKER_SLOTS = env.positive_int("PERSONALQ_WORKER_SLOTS", 100, 10_000)
PERSONALQ_AGENTS_PER_USER = env.positive_int("PERSONALQ_AGENTS_PER_USER", 200, 10_000)
PERSONALQ_UNFINISHED_TASKS_PER_USER = env.positive_int("PERSONALQ_UNFINISHED_TASKS_PER_USER", 100_000, 10_000_000)
PERSONALQ_QUEUES_PER_USER = env.positive_int("PERSONALQ_QUEUES_PER_USER", 100, 10_000)
PERSONALQ_SCHEDULES_PER_USER = env.positive_int("PERSONALQ_SCHEDULES_PER_USER", 200, 10_000)
PERSONALQ_FREQUENT_SCHEDULES_PER_USER = env.positive_int("PERSONALQ_FREQUENT_SCHEDULES_PER_USER", 5, 10_000)
PERSONALQ_CREDENTIALS_PER_USER = env.positive_int("PERSONALQ_CREDENTIALS_PER_USER", 100, 10_000)
PERSONALQ_DOORS_PER_USER = env.positive_int("PERSONALQ_DOORS_PER_USER", 100, 10_000)
PERSONALQ_TELEGRAM_LINKS_PER_USER = env.positive_int("PERSONALQ_TELEGRAM_LINKS_PER_USER", 50, 10_000)
PERSONALQ_TOKENS_PER_USER = env.positive_int("PERSONALQ_TOKENS_PER_USER", 50, 10_000)
PERSONALQ_ENDPOINTS_PER_USER = env.positive_int("PERSONALQ_ENDPOINTS_PER_USER", 20, 10_000)
PERSONALQ_USER_RUNNING_LIMIT = env.positive_int("PERSONALQ_USER_RUNNING_LIMIT", 50, 10_000)
PERSONALQ_APPROVAL_SECONDS = env.positive_int("PERSONALQ_APPROVAL_SECONDS", 604_800, 31_536_000, minimum=60)
PERSONALQ_LEASE_SECONDS = env.positive_int("PERSONALQ_LEASE_SECONDS", 30, 3600)
PERSONALQ_WATCH_SECONDS = env.positive_float("PERSONALQ_WATCH_SECONDS", 0.5, 5)
PERSONALQ_SHUTDOWN_SECONDS = env.positive_int("PERSONALQ_SHUTDOWN_SECONDS", 8, 3600)
# How long the prompts, answers and files of finished tasks are kept.
PERSONALQ_TASK_DAYS = env.days_kept("PERSONALQ_TASK_DAYS", 0, 36_500, fewest=1)
PERSONALQ_READY_TASK_SECONDS = env.positive_int("PERSONALQ_READY_TASK_SECONDS", 300, 86_400, minimum=0)

# --- Event sockets, per process (docs/websocket.md) ------------------------------------------------
PERSONALQ_SOCKET_AUTH_SECONDS = env.positive_float("PERSONALQ_SOCKET_AUTH_SECONDS", 5, 60)
PERSONALQ_SOCKETS_UNAUTHENTICATED = env.positive_int("PERSONALQ_SOCKETS_UNAUTHENTICATED", 200, 100_000)
PERSONALQ_SOCKETS_PER_USER = env.positive_int("PERSONALQ_SOCKETS_PER_USER", 20, 100_000)
PERSONALQ_SOCKET_SUBSCRIPTIONS = env.positive_int("PERSONALQ_SOCKET_SUBSCRIPTIONS", 100, 10_000)
PERSONALQ_SOCKET_MESSAGES_PER_SECOND = env.positive_float("PERSONALQ_SOCKET_MESSAGES_PER_SECOND", 20, 10_000)
PERSONALQ_SOCKET_MESSAGE_BURST = env.positive_int("PERSONALQ_SOCKET_MESSAGE_BURST", 40, 10_000)
PERSONALQ_SOCKET_BUFFER_BYTES = env.positive_int(
    "PERSONALQ_SOCKET_BUFFER_BYTES", 1_048_576, 1_073_741_824, minimum=65_536
)

# --- MCP, per process (docs/mcp.md) ----------------------------------------------------------------
PERSONALQ_MCP_WAITS_PER_USER = env.positive_int("PERSONALQ_MCP_WAITS_PER_USER", 100, 10_000)

# --- E-mail: notices, for those who choose them (docs/notices.md) ------------------------------------
email = env.email("PERSONALQ_EMAIL_URL")
PERSONALQ_EMAIL_IS_ON = bool(email)
EMAIL_BACKEND = email.pop("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend")
globals().update(email)
redaction.register_secrets(email.get("EMAIL_HOST_PASSWORD"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("PERSONALQ_EMAIL_FROM", "personalq@localhost")

# --- Sign-in and sessions ---------------------------------------------------------------------
LOGIN_URL = reverse_lazy("sign-in")
LOGIN_REDIRECT_URL = reverse_lazy("overview")
LOGOUT_REDIRECT_URL = reverse_lazy("sign-in")
SESSION_COOKIE_NAME = "__Host-session" if PERSONALQ_HTTPS else "personalq-session"
SESSION_COOKIE_SECURE = PERSONALQ_HTTPS
CSRF_COOKIE_NAME = "__Host-csrf" if PERSONALQ_HTTPS else "personalq-csrf"
CSRF_COOKIE_SECURE = PERSONALQ_HTTPS
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ISSUER": "personalq",
    "AUDIENCE": "personalq-api",
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=env.positive_int("PERSONALQ_ACCESS_TOKEN_SECONDS", 600, 3600)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "UPDATE_LAST_LOGIN": False,
    "USER_ID_FIELD": "uuid",
    "USER_ID_CLAIM": "sub",
}
# A refresh token idle for longer than its own lifetime is dead; refreshing goes on for this long after a sign-in.
PERSONALQ_SIGN_IN_LIFETIME = timedelta(days=30)
# Operators without one are then kept to the page where they set one up (docs/accounts.md).
PERSONALQ_OPERATORS_NEED_SECOND_FACTOR = env.boolean("PERSONALQ_OPERATORS_NEED_SECOND_FACTOR", default=False)

# --- The wire ----------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = PERSONALQ_HTTPS
# Programs are refused over plain HTTP instead of redirected (personalq.lib.middleware.MachinePaths).
SECURE_REDIRECT_EXEMPT = [paths.MACHINE_PATHS_PATTERN, paths.HEALTH_PATHS_PATTERN]
# Edge takes the header from everybody who is not one of our proxies.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PERSONALQ_TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 63_072_000 if PERSONALQ_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PERSONALQ_HTTPS
SECURE_HSTS_PRELOAD = PERSONALQ_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = csp.PAGES
PERSONALQ_BODY_LIMIT_DEFAULT = 256 * 1024
# A prompt may hold 200,000 characters; escaped as JSON or as a form that is up to 2.4 MB.
PERSONALQ_BODY_LIMITS = {
    "/api/v1/tasks": 3 * 1024 * 1024,
    "/tasks": 3 * 1024 * 1024,
    "/mcp": 3 * 1024 * 1024,
    # Runners send up to 10 MiB of output, which escapes make longer.
    "/webhooks/runner": 16 * 1024 * 1024,
    "/webhooks/telegram": 1024 * 1024,
    "/webhooks/elevenlabs": 1024 * 1024,
    "/webhooks/in": 1024 * 1024,
    "/agent-tools": 64 * 1024,
    csp.REPORTS_PATH: 16 * 1024,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 3 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
# PERSONALQ_RATE_SIGN_IN_NAME and so on: personalq.lib.rates lists them with their defaults.
globals().update({name: env.rate(name, default) for name, default in rates.DEFAULT_RATES.items()})

# --- Files, logs ---------------------------------------------------------------------------------
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_URL = static_files.versioned_url(STATICFILES_DIRS[0])
# No STATIC_ROOT: WhiteNoise serves the files from where they are, nothing has to be collected.
WHITENOISE_USE_FINDERS = True
# Matches every file or none. While files are being changed their address is only renewed by a restart.
WHITENOISE_IMMUTABLE_FILE_TEST = "(?!)" if DEBUG else ""
WHITENOISE_ALLOW_ALL_ORIGINS = False
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
LOGGING = logs.configuration(level=env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")))
# Where secrets came from, for `security_audit`: the last reader is above.
PERSONALQ_SECRET_FILES = env.files_read()
