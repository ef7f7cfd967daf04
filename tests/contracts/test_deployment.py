"""What containers, units and CI promise, as far as it can be read from their files."""

import ast
import json
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from personalq.embedded import product
from personalq.embedded.children import ChildSpec
from personalq.lib import paths
from tests.contracts import building, reading

pytestmark = pytest.mark.security

PRODUCT = ("migrate", "web", "worker", "beat")
SERVERS = ("postgres", "valkey")
EVERY_SERVICE = (*SERVERS, *PRODUCT, "proxy")
SECRETS = {
    "SECRET_KEY",
    "JWT_SIGNING_KEY",
    "PERSONALQ_ENCRYPTION_KEYS",
    "PERSONALQ_AUDIT_KEYS",
    "POSTGRES_PASSWORD",
    "PERSONALQ_DATABASE_PASSWORD",
    "PERSONALQ_DATABASE_OWNER_PASSWORD",
    "PERSONALQ_REDIS_PASSWORD",
}
# compose.yaml sets these itself, or they mean nothing in a container.
NOT_IN_COMPOSE = {
    "JWT_OLD_SIGNING_KEY_FILE",
    "JWT_SIGNING_KEY_FILE",
    "PERSONALQ_AUDIT_KEYS_FILE",
    "PERSONALQ_EMAIL_URL_FILE",
    "PERSONALQ_ENCRYPTION_KEYS_FILE",
    "PERSONALQ_ENV_FILE",
    "PERSONALQ_SCRATCH_DIR",
    "PORT",
    "SECRET_KEY_FILE",
}


class TestImage:
    def test_every_stage_has_the_base_that_was_asked_for(self) -> None:
        images = building.rest_of("FROM", building.dockerfile())
        assert set(building.rest_of("ARG", building.dockerfile())) == {"PYTHON_IMAGE"}
        assert {image.split()[0] for image in images} == {"${PYTHON_IMAGE}"}

    def test_what_builds_does_not_stay_in_the_image(self) -> None:
        assert len(building.rest_of("FROM", building.dockerfile())) == 2
        assert not [rest for rest in building.rest_of("RUN", building.last_stage()) if "install" in rest]

    def test_runs_as_an_ordinary_user(self) -> None:
        assert building.rest_of("USER", building.last_stage()) == ["10001:10001"]

    def test_user_is_set_before_anything_runs(self) -> None:
        words = [each.word for each in building.last_stage()]
        assert "RUN" not in words[words.index("USER") :]

    def test_code_can_be_changed_by_root_alone(self) -> None:
        """A-171: whatever the modes of the checkout were. Nothing is added after they are set."""
        build = building.dockerfile()[: -len(building.last_stage())]
        assert build[-1].word == "RUN"
        assert build[-1].rest.endswith(" && chmod -R u=rwX,go=rX /app /opt/venv")
        assert building.rest_of("COPY", building.last_stage()) == [
            "--from=build /opt/venv /opt/venv",
            "--from=build /app /app",
        ]

    def test_packages_are_installed_by_hash_and_never_built(self) -> None:
        (install,) = (rest for rest in building.rest_of("RUN", building.dockerfile()) if "pip" in rest)
        assert "--require-hashes --only-binary :all: -r /tmp/base.txt" in install

    def test_only_what_the_product_needs_is_copied(self) -> None:
        copied = [rest.split() for rest in building.rest_of("COPY", building.dockerfile())]
        sources = {word for words in copied for word in words[:-1] if not word.startswith("--from")}
        rooms = {app for app in settings.INSTALLED_APPS if (reading.REPOSITORY / app).is_dir()}
        assert rooms | {"personalq", "static", "templates", "manage.py"} <= sources
        assert not sources & {".", "tests", ".env", ".git", "var", "bench"}

    def test_context_holds_nothing_that_was_not_listed(self) -> None:
        lines = (reading.REPOSITORY / ".dockerignore").read_text().splitlines()
        rules = [line for line in lines if not line.startswith("#")]
        assert rules[0] == "*"
        assert not {rule for rule in rules if rule.startswith("!.") or rule == "!tests"}

    def test_holds_no_secret(self) -> None:
        given = building.rest_of("ENV", building.dockerfile()) + building.rest_of("ARG", building.dockerfile())
        assert not [text for text in given if re.search(r"SECRET|KEY|PASSWORD|TOKEN|_URL", text)]

    def test_tells_whether_it_is_healthy(self) -> None:
        (check,) = building.rest_of("HEALTHCHECK", building.last_stage())
        assert "http://127.0.0.1:8000/healthz" in check


class TestCompose:
    def test_every_service_is_known_here(self) -> None:
        assert set(building.services()) == set(EVERY_SERVICE)

    def test_only_the_proxy_is_published(self) -> None:
        published = {name: service["ports"] for name, service in building.services().items() if "ports" in service}
        assert published == {"proxy": ["80:8080", "443:8443"]}
        assert not [name for name, service in building.services().items() if "network_mode" in service]

    def test_with_a_proxy_of_your_own_only_loopback_is_published(self) -> None:
        published = {name: service["ports"] for name, service in building.own_proxy().items() if "ports" in service}
        assert published == {"web": ["127.0.0.1:${PORT:-8000}:8000"]}
        assert building.own_proxy()["proxy"] == {"profiles": ["replaced"]}

    def test_only_the_address_of_the_proxy_is_trusted(self) -> None:
        address = building.services()["proxy"]["networks"]["outside"]["ipv4_address"]
        (network,) = building.compose()["networks"]["outside"]["ipam"]["config"]
        trusted = building.services()["web"]["environment"]["PERSONALQ_TRUSTED_PROXIES"]
        assert trusted == f"${{PERSONALQ_TRUSTED_PROXIES:-{address}}}"
        assert ip_address(address) in ip_network(network["subnet"])
        assert ip_address(address) not in ip_network(network["ip_range"])
        own = building.own_proxy()["web"]["environment"]["PERSONALQ_TRUSTED_PROXIES"]
        assert own == f"${{PERSONALQ_TRUSTED_PROXIES:-{network['gateway']}}}"

    def test_proxy_reaches_the_web_processes_only(self) -> None:
        assert set(building.services()["proxy"]["networks"]) == {"outside"}
        assert building.services()["proxy"]["environment"]["PERSONALQ_UPSTREAM"] == "web:8000"

    @pytest.mark.parametrize("name", EVERY_SERVICE)
    def test_service_can_do_as_little_as_possible(self, name: str) -> None:
        service = building.services()[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
        assert service["tmpfs"]
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service)

    @pytest.mark.parametrize("name", EVERY_SERVICE)
    def test_service_can_start_only_so_many_processes(self, name: str) -> None:
        assert 0 < building.services()[name]["pids_limit"] <= 512

    @pytest.mark.parametrize("name", SERVERS)
    def test_server_does_not_run_as_root(self, name: str) -> None:
        assert building.services()[name]["user"] == "999:999"

    @pytest.mark.parametrize("name", [*PRODUCT, "proxy"])
    def test_service_of_ours_runs_as_the_user_of_its_image(self, name: str) -> None:
        file = "deploy/proxy.Dockerfile" if name == "proxy" else "Dockerfile"
        assert building.rest_of("USER", building.last_stage(file)) == [building.services()[name]["user"]]

    @pytest.mark.parametrize("name", EVERY_SERVICE)
    def test_logs_stay_small(self, name: str) -> None:
        assert building.services()[name]["logging"] == {
            "driver": "json-file",
            "options": {"max-size": "10m", "max-file": "5"},
        }

    @pytest.mark.parametrize("name", ["postgres", "valkey", "worker"])
    def test_service_tells_whether_it_is_healthy(self, name: str) -> None:
        assert building.services()[name]["healthcheck"]["test"]

    def test_web_uses_the_check_of_the_image(self) -> None:
        assert "healthcheck" not in building.services()["web"]

    def test_servers_are_out_of_reach(self) -> None:
        assert building.compose()["networks"]["inside"] == {"internal": True}
        assert {tuple(building.services()[name]["networks"]) for name in SERVERS} == {("inside",)}

    def test_redis_asks_for_a_password(self) -> None:
        assert "requirepass %s" in building.services()["valkey"]["command"][-1]
        assert "${PERSONALQ_REDIS_PASSWORD:?" in building.services()["web"]["environment"]["REDIS_URL"]

    def test_secrets_come_from_outside_and_have_no_default(self) -> None:
        text = (reading.REPOSITORY / "compose.yaml").read_text()
        used = re.findall(r"\$\{([A-Z_]+)(:\?|:-|)", text)
        assert {mark for name, mark in used if name in SECRETS} == {":?"}
        assert {name for name, _ in used} >= SECRETS

    def test_product_does_not_learn_the_superusers_password(self) -> None:
        given = {name for name in PRODUCT if "POSTGRES_PASSWORD" in str(building.services()[name])}
        assert given == set()

    def test_every_setting_can_be_set(self) -> None:
        given = set(building.services()["web"]["environment"])
        assert given == reading.asked_by_settings() - NOT_IN_COMPOSE

    def test_all_processes_get_the_same_settings(self) -> None:
        environments = [{**building.services()[name]["environment"], "DATABASE_URL": ""} for name in PRODUCT]
        assert environments.count(environments[0]) == len(PRODUCT)

    def test_only_the_migration_signs_in_as_the_owner_of_the_tables(self) -> None:
        """V13.2.2: the product's role has rights on rows, which the owner gives it after each migration."""
        services = building.services()
        assert "//personalq_owner:" in services["migrate"]["environment"]["DATABASE_URL"]
        assert "grant_app_role personalq" in services["migrate"]["command"][-1]
        for name in ("web", "worker", "beat"):
            assert services[name]["environment"]["DATABASE_URL"].startswith("postgres://personalq:")
            assert "OWNER_PASSWORD" not in str(services[name])

    def test_processes_start_after_the_migration(self) -> None:
        for name in ("web", "worker", "beat"):
            needed = building.services()[name]["depends_on"]
            assert needed["migrate"] == {"condition": "service_completed_successfully"}

    def test_worker_has_the_time_it_needs_to_stop(self) -> None:
        patience = int(building.services()["worker"]["stop_grace_period"].removesuffix("s"))
        assert patience > settings.PERSONALQ_SHUTDOWN_SECONDS + 6


def arguments_of(spec: ChildSpec) -> list[str]:
    """What the supervisor starts, after the module's name; ours for Celery only adds a word to the supervisor."""
    command = list(spec.command)
    return command[command.index("-m") + 2 :]


def without(words: list[str], *options: str) -> list[str]:
    """The words without these options and their values."""
    drop = {index + step for index, word in enumerate(words) if word in options for step in (0, 1)}
    return [word for index, word in enumerate(words) if index not in drop]


WEB = ["-m", "personalq.serving"]
WORKER = arguments_of(product.worker({}))
BEAT = arguments_of(product.beat({}))


class TestSameProcessesEverywhere:
    """The supervisor, containers and units start the same programs with the same options."""

    def test_web(self) -> None:
        started = product.web(product.Address("127.0.0.1", 8000), {}).command
        assert without(list(started[1:]), "--host", "--port") == WEB
        (image,) = building.rest_of("CMD", building.last_stage())
        assert without(json.loads(image)[1:], "--host", "--port") == WEB
        assert without(building.unit_command("personalq-web@.service"), "--host", "--port") == WEB

    def test_worker(self) -> None:
        assert building.services()["worker"]["command"][3:] == WORKER
        assert without(building.unit_command("personalq-worker@.service")[2:], "-n") == WORKER

    def test_beat(self) -> None:
        assert building.services()["beat"]["command"][3:] == BEAT
        assert building.unit_command("personalq-beat.service")[2:] == BEAT

    def test_workers_of_one_machine_have_different_names(self) -> None:
        assert building.unit_command("personalq-worker@.service")[-2:] == ["-n", "worker-%i@%%h"]


UNITS = sorted(path.name for path in (reading.REPOSITORY / "deploy" / "systemd").iterdir())


class TestUnits:
    """A-171, A-178: what systemd keeps the processes from."""

    def test_all_of_them_are_looked_at(self) -> None:
        assert len(UNITS) == 3

    @pytest.mark.parametrize(
        "line",
        [
            "User=personalq", "Group=personalq", "UMask=0077", "NoNewPrivileges=yes", "CapabilityBoundingSet=",
            "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes", "RestrictSUIDSGID=yes",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("unit", UNITS)
    def test_process_can_do_as_little_as_possible(self, unit: str, line: str) -> None:
        said = (reading.REPOSITORY / "deploy" / "systemd" / unit).read_text().splitlines()
        assert [each for each in said if each.partition("=")[0] == line.partition("=")[0]] == [line]


CADDY = (reading.REPOSITORY / "deploy" / "Caddyfile").read_text()
NGINX = (reading.REPOSITORY / "deploy" / "nginx.conf").read_text()
REFUSED = {
    "Caddyfile": r"^\t@programs path_regexp \^/\((.+)\)\(/\|\$\)\n\thandle @programs \{\n\t\trespond 403\n\t\}$",
    "nginx.conf": r"^    location ~ \^/\((.+)\)\(/\|\$\) \{ return 403; \}$",
}


class TestProxies:
    """What deploy/ says to the two proxies; .ci/images asks one of them."""

    @pytest.mark.parametrize("name", REFUSED)
    def test_every_path_of_programs_is_refused_in_clear(self, name: str) -> None:
        """A-158, V4.1.2: a redirect would hide that a token went over without encryption."""
        text = (reading.REPOSITORY / "deploy" / name).read_text()
        (prefixes,) = re.findall(REFUSED[name], text, re.MULTILINE)
        assert sorted(prefixes.split("|")) == sorted(paths.MACHINE_PREFIXES)

    def test_caddy_writes_no_header_and_no_query_down(self) -> None:
        """A-199, A-201: it knows few of the headers that hold secrets."""
        (fields,) = re.findall(
            r"^\tlog default \{\n\t\tformat filter \{\n\t\t\twrap json\n\t\t\tfields \{\n(.+?)\n\t\t\t\}$",
            CADDY,
            re.MULTILINE | re.DOTALL,
        )
        said = [line.strip() for line in fields.splitlines()]
        assert said == ["request>headers delete", r"request>uri regexp `\?.*` ``"]
        assert len(re.findall(r"^\s*log\b", CADDY, re.MULTILINE)) == 1

    def test_nginx_writes_no_header_and_no_query_down(self) -> None:
        """A-201: its ordinary form has both. `$uri` is the path alone."""
        (form,) = re.findall(r"^log_format personalq '(.+)';$", NGINX, re.MULTILINE)
        assert set(re.findall(r"\$(\w+)", form)) == {
            "remote_addr", "time_local", "request_method", "uri", "server_protocol", "status", "body_bytes_sent",
        }  # fmt: skip
        logs = re.findall(r"^    access_log +\S+ (.+);$", NGINX, re.MULTILINE)
        assert logs == ["personalq"] * NGINX.count("\nserver {\n")

    def test_nginx_takes_as_large_bodies_as_the_product(self) -> None:
        """A-157, A-165: with less reports of runners end at the proxy, with more it makes a 502 of our 413."""
        assert f"\n    client_max_body_size {settings.PERSONALQ_BODY_LIMIT_DEFAULT // 1024}k;\n" in NGINX
        places = re.findall(r"^    location ~ (\S+) \{\n        client_max_body_size (\d+)m;$", NGINX, re.MULTILINE)
        larger = {
            prefix: limit
            for prefix, limit in settings.PERSONALQ_BODY_LIMITS.items()
            if limit > settings.PERSONALQ_BODY_LIMIT_DEFAULT
        }
        assert larger == {
            prefix: next((int(size) * 1024 * 1024 for place, size in places if re.match(place, prefix)), 0)
            for prefix in larger
        }

    def test_neither_tells_what_it_is(self) -> None:
        """A-142: but for the 5xx that Caddy makes itself, and its bare name in those of nginx."""
        assert "\n(untold) {\n\theader {\n\t\t-Server\n\t\t-Via\n\t\tdefer\n\t}\n}\n" in CADDY
        sites = re.findall(r"^\S*\{\$PERSONALQ_DOMAIN:.+ \{\n\t(.+)$", CADDY, re.MULTILINE)
        assert sites == ["import untold", "import untold"]
        assert len(re.findall(r"^    server_tokens +off;$", NGINX, re.MULTILINE)) == NGINX.count("\nserver {\n")


@pytest.mark.parametrize(
    "word", ["docker history", "docker save", "CapEff", "NoNewPrivs", "id -u", "-perm /022", "seen-in-a-header"]
)
def test_images_that_run_are_looked_at(word: str) -> None:
    """A-213, A-220: what the files cannot show."""
    assert word in (reading.REPOSITORY / ".ci" / "images").read_text()


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_product_imports_nothing_that_only_tests_install() -> None:
    rooms = ("personalq", "accounts", "tasks", "realtime", "webhooks")
    files = (path for room in rooms for path in (reading.REPOSITORY / room).rglob("*.py"))
    names = {name for path in files if path.name != "pytest_plugin.py" for name in imported(path)}
    lock = (reading.REPOSITORY / "requirements" / "base.txt").read_text()
    locked = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    installed = packages_distributions()
    missing = {
        name
        for name in names & set(installed)
        if not {each.lower().replace("_", "-") for each in installed[name]} & locked
    }
    assert missing == set()


class TestHealth:
    def test_answers_under_any_name_and_without_https(self, client: Client) -> None:
        answer = client.get("/healthz", headers={"Host": "10.0.0.7"})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_says_nothing_more_than_that(self, client: Client) -> None:
        assert client.get("/healthz").content == b'{"status": "ok"}'

    def test_takes_no_other_methods(self, client: Client) -> None:
        assert client.post("/healthz").status_code == 405

    def test_other_paths_still_mind_the_name(self, client: Client) -> None:
        assert client.get("/sign-in", headers={"Host": "10.0.0.7"}, secure=True).status_code == 400


def steps_of(name: str) -> list[dict[str, Any]]:
    return [step for job in building.workflow(name)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("name", ["ci", "scan"])
class TestWorkflows:
    def test_all_of_them_are_known_here(self, name: str) -> None:
        names = {path.stem for path in (reading.REPOSITORY / ".github" / "workflows").iterdir()}
        assert names == {"ci", "scan"}
        assert name in names

    def test_may_only_read(self, name: str) -> None:
        assert building.workflow(name)["permissions"] == {"contents": "read"}
        assert not [job for job in building.workflow(name)["jobs"].values() if "permissions" in job]

    def test_uses_nobody_elses_actions(self, name: str) -> None:
        """B-HIGH-004: there is none to pin; of one that comes, pinning.py wants the commit."""
        assert not [step for step in steps_of(name) if "uses" in step]
        assert not [job for job in building.workflow(name)["jobs"].values() if "uses" in job or "container" in job]

    def test_no_foreign_text_becomes_part_of_a_script(self, name: str) -> None:
        assert not [step for step in steps_of(name) if "${{" in step["run"]]

    def test_ends_by_itself(self, name: str) -> None:
        assert all(0 < job["timeout-minutes"] <= 90 for job in building.workflow(name)["jobs"].values())

    def test_an_advisory_service_has_to_answer(self, name: str) -> None:
        """A-29: where one can be reached, a scan that asked nobody is no success."""
        scans = [step for step in steps_of(name) if step["run"] in {".ci/run", "make supply-chain"}]
        assert scans
        assert {step["env"]["CI_REQUIRE_ADVISORIES"] for step in scans} == {"1"}


class TestWorkflow:
    def test_runs_what_developers_run(self) -> None:
        assert building.workflow()["jobs"]["check"]["steps"][-1]["run"] == ".ci/run"

    def test_builds_and_starts_the_images(self) -> None:
        """A-220"""
        assert building.workflow()["jobs"]["images"]["steps"][-1]["run"] == ".ci/images"


class TestScan:
    def test_comes_every_month_by_itself(self) -> None:
        """B-O-1. YAML reads the word `on` as true."""
        (schedule,) = building.workflow("scan")[True]["schedule"]
        minute, hour, days, month, weekday = schedule["cron"].split()
        assert (month, weekday) == ("*", "*")
        assert all(1 <= int(day) <= 28 for day in days.split(","))
        assert minute.isdigit()
        assert hour.isdigit()

    def test_looks_at_the_whole_history(self) -> None:
        """A-53"""
        fetch = building.workflow("scan")["jobs"]["supply-chain"]["steps"][0]["run"]
        assert "git fetch" in fetch
        assert "--depth" not in fetch

    def test_runs_everything_on_regenerated_locks(self) -> None:
        """A-34"""
        runs = [step["run"] for step in building.workflow("scan")["jobs"]["upgrades"]["steps"]]
        assert runs.index("make upgrade inventory") < runs.index(".ci/run")
