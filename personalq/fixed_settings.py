"""The settings that no environment changes: `personalq.settings` takes all of them over."""

from datetime import timedelta
from pathlib import Path
from typing import Any

# --- What we are made of ---------------------------------------------------------------------------
INSTALLED_APPS = [
    "accounts.admin_config.OperatorAdminConfig",
    # Before Django's, whose command `changepassword` knows nothing of what a new password ends.
    "accounts",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "csp",
    "tasks",
    "realtime",
    "webhooks",
]
# The order is explained in personalq.lib.middleware and kept by personalq.E003 and E004.
MIDDLEWARE = [
    "personalq.lib.middleware.Edge",
    "django.middleware.security.SecurityMiddleware",
    "personalq.lib.middleware.MachinePaths",
    "personalq.lib.static_serving.StaticFiles",
    "personalq.lib.csp.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.SessionCare",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "personalq.lib.middleware.ViewErrors",
]
ROOT_URLCONF = "personalq.urls"
ASGI_APPLICATION = "personalq.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).resolve().parent.parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Language, time, keys --------------------------------------------------------------------------
APPEND_SLASH = False
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
SESSION_ENGINE = "accounts.session_store"
RATELIMIT_USE_CACHE = "default"

# --- Celery: a message is only a nudge, PostgreSQL is the queue of record --------------------------
CELERY_TASK_DEFAULT_QUEUE = "personalq"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 15, "socket_connect_timeout": 2}
CELERY_TIMEZONE = "UTC"


def _each(job: str, *, expires: float, **pause: float) -> dict[str, Any]:
    """A job at each beat. A tick that nobody took in so many seconds is worthless: another one is there, or soon."""
    return {"task": job, "schedule": timedelta(**pause), "options": {"expires": expires}}


CELERY_BEAT_SCHEDULE = {
    "sweep": _each("tasks.jobs.sweep", seconds=5, expires=5),
    # The clocks of two machines may differ by a second or two.
    "fire-schedules": _each("tasks.jobs.fire_schedules", seconds=1, expires=5),
    "send-due-deliveries": _each("webhooks.jobs.send_due_deliveries", seconds=5, expires=5),
    "speak": _each("webhooks.jobs.speak_where_due", seconds=1, expires=2),
    "renew-webhooks": _each("webhooks.jobs.renew_webhooks", minutes=1, expires=60),
    "send-notices": _each("webhooks.jobs.send_notices", seconds=20, expires=20),
    "listen": _each("webhooks.jobs.listen", seconds=5, expires=5),
    "prune-webhooks": _each("webhooks.jobs.prune", hours=1, expires=600),
    "send-reset-letters": _each("accounts.jobs.send_reset_letters", seconds=20, expires=20),
    "chain-audit": _each("accounts.jobs.chain_audit", seconds=5, expires=5),
    "prune-audit": _each("accounts.jobs.prune_audit", hours=1, expires=600),
    "prune-tasks": _each("tasks.jobs.prune", hours=1, expires=600),
    "prune-accounts": _each("accounts.jobs.prune", hours=1, expires=600),
}

# --- Passwords and cookies -------------------------------------------------------------------------
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "accounts.passwords.rules.LongestLengthValidator"},
    {"NAME": "accounts.passwords.rules.RepetitionValidator"},
    {"NAME": "accounts.passwords.rules.OwnWordsValidator"},
    # Last: it may ask a service elsewhere.
    {"NAME": "accounts.passwords.breaches.BreachValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
# Else they would travel in a cookie of their own, without the prefix that binds the others to this host.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
DEFAULT_EXCEPTION_REPORTER_FILTER = "personalq.lib.error_reports.RedactingFilter"
CSRF_FAILURE_VIEW = "personalq.lib.problems.csrf_failure"

# --- The API ---------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["personalq.lib.strict_json.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "personalq.lib.browsable.BrowsableRenderer",
    ],
    "DEFAULT_PAGINATION_CLASS": "personalq.lib.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "personalq.lib.openapi.ProblemSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "personalq.lib.negotiation.FallbackNegotiation",
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "personalq.lib.problems.drf_exception_handler",
    "DATETIME_FORMAT": "iso-8601",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Personal-Q API",
    "DESCRIPTION": "Queue prompts for your agents, watch them live, stop them at once.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Other things have a status or a state, too.
    "ENUM_NAME_OVERRIDES": {
        "TaskStatusEnum": "tasks.states.WORDS",
        "TokenStateEnum": "accounts.models.personal_token.STATES",
        "InvitationStateEnum": "accounts.invitations.STATES",
        "ScheduleStateEnum": "tasks.schedules.states.STATES",
        "ApprovalStateEnum": "tasks.models.ApprovalState",
        "DeliveryStateEnum": "webhooks.models.DeliveryState",
        "DoorKindEnum": "webhooks.api.door_forms.ALL_KINDS",
        "NewDoorKindEnum": "webhooks.api.door_forms.KINDS",
    },
    "SORT_OPERATIONS": False,
}
