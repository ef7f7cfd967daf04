"""What the product consists of, as children of the supervisor."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from personalq.embedded.children import Child, Children, ChildSpec
from personalq.embedded.layout import REPOSITORY

CELERY = (sys.executable, "-m", "personalq.embedded.celery_child", "-q", "-A", "personalq")
WORKER_STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Part:
    """Web, worker or beat as something to keep running."""

    children: Children
    spec: ChildSpec
    check: Callable[[Child], bool]

    def launch(self) -> Child:
        return self.children.start(self.spec)

    def is_ready(self, child: Child) -> bool:
        return self.check(child)


@dataclass(frozen=True)
class Address:
    """Where the product listens."""

    host: str
    port: int

    @property
    def reachable_host(self) -> str:
        """A host for clients on this machine, also when we listen on all of them."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared only

    @property
    def url(self) -> str:
        host = f"[{self.reachable_host}]" if ":" in self.reachable_host else self.reachable_host
        return f"http://{host}:{self.port}/"

    @property
    def is_loopback(self) -> bool:
        return self.host in {"127.0.0.1", "::1", "localhost"}


def manage(name: str, environment: Mapping[str, str], *arguments: str) -> ChildSpec:
    """A management command as a child."""
    command = (sys.executable, str(REPOSITORY / "manage.py"), *arguments)
    return ChildSpec(name=name, command=command, environment=environment, directory=REPOSITORY, stop_seconds=5)


def web(address: Address, environment: Mapping[str, str]) -> ChildSpec:
    command = (
        *(sys.executable, "-m", "personalq.serving"),
        *("--host", address.host, "--port", str(address.port)),
    )
    return ChildSpec(name="web", command=command, environment=environment, directory=REPOSITORY)


def worker(environment: Mapping[str, str]) -> ChildSpec:
    command = (
        *(*CELERY, "worker", "-P", "threads", "-c", "4", "-Q", "personalq"),
        *("--without-gossip", "--without-mingle"),
    )
    return ChildSpec(
        name="worker",
        command=command,
        environment=environment,
        directory=REPOSITORY,
        stop_seconds=WORKER_STOP_SECONDS,
        announces_ready=True,
    )


def beat(environment: Mapping[str, str]) -> ChildSpec:
    # The schedule is in the settings; the default scheduler would keep a file beside the code.
    command = (
        *CELERY,
        "beat",
        "--scheduler",
        "celery.beat:Scheduler",
        "--pidfile=",
    )
    return ChildSpec(name="beat", command=command, environment=environment, directory=REPOSITORY, announces_ready=True)


def is_healthy(address: Address) -> bool:
    """Whether the product answers on its address: 200 on /healthz within two seconds."""
    connection = http.client.HTTPConnection(address.reachable_host, address.port, timeout=2)
    try:
        # By its usual name: the operator's ALLOWED_HOSTS need not know the address of the loopback.
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
