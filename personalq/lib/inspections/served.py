"""What the live installation really answers: headers, cookies, and who gets something without showing anything."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from django.conf import settings
from django.templatetags.static import static

from personalq.lib import open_routes
from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, unknown
from personalq.lib.probing import Answer, Prober, Unreachable
from personalq.lib.security_headers import FIXED_HEADERS, NO_STORE

SIGN_IN: Final = "/sign-in"
STATIC_FILE: Final = "favicon.svg"
METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST")
_UNSAFE_WORDS: Final = ("'unsafe-eval'", "http:", "*")
_TELLING: Final = ("x-powered-by", "x-aspnet-version")
# A bare name is no fault: not every proxy can leave it out.
_VERSION: Final = re.compile(r"/\d|\d\.\d")
_ADVICE_PROXY: Final = "See that your proxy passes the product's headers on and adds none of its own (deploy/)."


class NotAsked(Exception):  # noqa: N818 - says what happened
    """The installation cannot be asked in a way that shows anything; the text says why."""


def _prober(scene: Scene) -> Prober:
    if not scene.url:
        raise NotAsked("no address was given.")
    if settings.PERSONALQ_HTTPS and not scene.url.startswith("https://"):
        raise NotAsked("HTTPS is required, so the https address has to be asked (--url).")
    return Prober(scene.url)


def _not_asked(reason: object) -> Result:
    return unknown(str(reason), advice="Start the installation, and name its address with --url.")


@inspection(
    "served.reachable",
    "medium",
    "high",
    looks_at="Whether the sign-in page answers at the address that everything else here is asked at.",
    advice="Start the installation, or name its address with --url; the name has to be in ALLOWED_HOSTS.",
)
def reachable(scene: Scene) -> Result:
    try:
        with _prober(scene) as prober:
            answer = prober.ask("GET", SIGN_IN)
    except NotAsked as reason:
        return _not_asked(reason)
    except Unreachable as reason:
        return bad("high", str(reason))
    if answer.status != 200:  # noqa: PLR2004
        return bad("high", f"{scene.url}{SIGN_IN} answered {answer.status}.")
    return fine(f"{scene.url} answers.")


def pages(prober: Prober) -> dict[str, Answer]:
    """An answer of each kind: a page, one of the API, a file, and one for what is not there."""
    paths = {"page": SIGN_IN, "API": "/api/v1/me", "file": static(STATIC_FILE), "missing": "/no-such-page"}
    return {kind: prober.ask("GET", path) for kind, path in paths.items()}


@inspection(
    "served.headers",
    "medium",
    "high",
    looks_at="The headers of a page, the API, a file and a 404 beside the table of what the product sends. High: one "
    "that keeps foreign scripts or frames out is missing.",
    advice=_ADVICE_PROXY,
)
def headers(scene: Scene) -> Result:
    try:
        with _prober(scene) as prober:
            answers = pages(prober)
    except (NotAsked, Unreachable) as reason:
        return _not_asked(reason)
    wrong = {f"{kind}: {fault}" for kind, answer in answers.items() for fault in faults_of(kind, answer)}
    if not wrong:
        return fine("Every kind of answer carries its headers.")
    is_open = any("Content-Security-Policy" in each or "X-Frame-Options" in each for each in wrong)
    return bad("high" if is_open else "medium", f"Not as it should be: {name_some(wrong)}.", faults=sorted(wrong))


def faults_of(kind: str, answer: Answer) -> Iterator[str]:
    """What is wrong with the headers of an answer, in a few words each."""
    for name, value in FIXED_HEADERS.items():
        if answer.header(name) != value:
            yield f"{name} is {'missing' if not answer.header(name) else 'another one'}"
    yield from _faults_of_policy(answer.header("Content-Security-Policy"))
    if kind != "file" and NO_STORE not in answer.header("Cache-Control"):
        yield "Cache-Control lets it be stored"
    if settings.SECURE_HSTS_SECONDS and "max-age=" not in answer.header("Strict-Transport-Security"):
        yield "Strict-Transport-Security is missing"
    if answer.header("Access-Control-Allow-Origin"):
        yield "other sites may read it (Access-Control-Allow-Origin)"
    for name in _TELLING:
        if answer.header(name):
            yield f"{name} tells what it is made with"
    if _VERSION.search(answer.header("Server")):
        yield "Server tells a version"


def _faults_of_policy(policy: str) -> Iterator[str]:
    directives = [directive.split() for directive in policy.split(";")]
    known: Mapping[str, list[str]] = {words[0]: words[1:] for words in directives if words}
    if "default-src" not in known or known.get("frame-ancestors") != ["'none'"]:
        yield "Content-Security-Policy is missing or has holes"
    scripts = known.get("script-src", known.get("default-src", []))
    if any(word in _UNSAFE_WORDS or word == "'unsafe-inline'" for word in scripts):
        yield "Content-Security-Policy lets foreign scripts in"


@inspection(
    "served.cookies",
    "medium",
    "high",
    looks_at="The cookies of the sign-in page: Secure and __Host- with HTTPS, HttpOnly, SameSite.",
    advice="Set PERSONALQ_HTTPS=true, and let the proxy change no cookie.",
)
def cookies(scene: Scene) -> Result:
    try:
        with _prober(scene) as prober:
            set_cookies = prober.ask("GET", SIGN_IN).headers.get("set-cookie", [])
    except (NotAsked, Unreachable) as reason:
        return _not_asked(reason)
    if not set_cookies:
        return _not_asked("the sign-in page set no cookie.")
    wrong = {fault for each in set_cookies for fault in faults_of_cookie(each)}
    if not wrong:
        return fine(f"{len(set_cookies)} cookie is as closed as it can be.")
    is_open = any("Secure" in each or "HttpOnly" in each for each in wrong)
    return bad("high" if is_open else "medium", f"Not as it should be: {name_some(wrong)}.")


def faults_of_cookie(text: str) -> Iterator[str]:
    """What is wrong with one Set-Cookie. Its value is not told."""
    first, *rest = (part.strip() for part in text.split(";"))
    name = first.partition("=")[0]
    given = {part.partition("=")[0].lower(): part.partition("=")[2].lower() for part in rest}
    if settings.PERSONALQ_HTTPS and "secure" not in given:
        yield f"{name} is not Secure"
    if settings.PERSONALQ_HTTPS and (not name.startswith("__Host-") or given.get("path") != "/" or "domain" in given):
        yield f"{name} is not bound to this host"
    if "httponly" not in given:
        yield f"{name} is not HttpOnly"
    if given.get("samesite") not in {"lax", "strict"}:
        yield f"{name} has no SameSite"


@inspection(
    "served.routes",
    "critical",
    looks_at="Every route of the product by GET, HEAD, OPTIONS and POST without credentials: only the short list of "
    "routes for everybody (personalq/lib/open_routes.py) may answer 2xx.",
    advice="Take the installation off the network and report it as SECURITY.md says: something answers strangers.",
    seconds=300,
)
def routes(scene: Scene) -> Result:
    made, failed = open_routes.addresses()
    try:
        with _prober(scene) as prober:
            answered = {
                f"{method} {address.path.split('?')[0]} ({address.name})"
                for address in made
                for method in METHODS
                if _is_open(prober.ask(method, address.path))
                and method not in open_routes.OPEN_ROUTES.get(address.name, ())
            }
    except (NotAsked, Unreachable) as reason:
        return _not_asked(reason)
    if answered:
        return bad("critical", f"Strangers are answered by {name_some(answered)}.", routes=sorted(answered))
    if failed:
        return _not_asked(f"no address is known for {name_some(failed)}.")
    return fine(f"{len(made)} routes refuse strangers, or are meant for them.", routes=len(made))


def _is_open(answer: Answer) -> bool:
    return 200 <= answer.status < 300  # noqa: PLR2004


@inspection(
    "served.methods",
    "medium",
    looks_at="Whether TRACE is refused.",
    advice=_ADVICE_PROXY,
)
def methods(scene: Scene) -> Result:
    try:
        with _prober(scene) as prober:
            answer = prober.ask("TRACE", SIGN_IN)
    except (NotAsked, Unreachable) as reason:
        return _not_asked(reason)
    return bad("medium", "TRACE is answered.") if _is_open(answer) else fine("TRACE is refused.")
