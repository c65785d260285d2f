"""Kafka: one KRaft broker that is its own controller, run from the libraries of Maven Central."""

import base64
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.services.kept import write_private
from deploy.services.server import Server, Unavailable, listens, program

_DEFINITION: Final = Path(__file__).with_name("kafka.xml")
_JAVA_REMEDY: Final = (
    "Kafka needs Java 17 or newer (Debian and Ubuntu: apt install default-jre-headless)"
)
_MAVEN_REMEDY: Final = (
    "Kafka's libraries are fetched by Maven (Debian and Ubuntu: apt install maven)"
)


class Kafka(Server):
    """A single broker; topics are made on request only, each of one replica.

    Args:
        folder: of its data and settings.
        libraries: folder of what it is run from, if that is not its own.
        options: more of Java's.
    """

    name = "kafka"

    def __init__(
        self, folder: Path, libraries: Path | None = None, options: Sequence[str] = ()
    ) -> None:
        super().__init__(folder)
        self._java_options = options
        self._libraries = libraries or folder / "libraries"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.kept.port()}"

    def prepare(self) -> None:
        _java()
        if not has_libraries(self._libraries):
            fetch_libraries(self._libraries)
        write_private(self._properties, self._options())
        if not (self.folder / "data/meta.properties").exists():
            self._format()

    def command(self) -> list[str]:
        heap = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC"]
        return [*self._program(*heap, *self._java_options), "kafka.Kafka", str(self._properties)]

    def answers(self) -> bool:
        # An extra: whoever starts this server by hand without it still gets the others.
        from confluent_kafka import KafkaException  # noqa: PLC0415
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415

        if not listens(self.kept.port()):
            return False
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=5).brokers)
        except KafkaException:
            return False

    def addresses(self) -> dict[str, str]:
        return {"CARTWISE_KAFKA_BOOTSTRAP": self.bootstrap}

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _program(self, *options: str) -> list[str]:
        log_level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [_java(), *options, log_level, "-cp", f"{self._libraries}/*"]

    def _format(self) -> None:
        """Give the empty data folder the identity of its cluster."""
        arguments = ["format", "-t", self.kept.get("cluster", _cluster_id), "-c"]
        command = [
            *self._program(),
            "kafka.tools.StorageTool",
            *arguments,
            str(self._properties),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"Kafka's storage cannot be formatted: {done.stderr.strip()}")

    def _options(self) -> str:
        # A killed broker is let in again only when the session of its former life has ended.
        session = "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500"
        client, controller = self.kept.port(), self.kept.port("controller_port")
        return f"""\
process.roles=broker,controller
{session}
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{client}
log.dirs={self.folder}/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def has_libraries(folder: Path) -> bool:
    """Whether the folder holds what the definition names now."""
    kept = folder / _DEFINITION.name
    return kept.exists() and kept.read_bytes() == _DEFINITION.read_bytes()


def fetch_libraries(folder: Path) -> None:
    """Let Maven put the broker and all that it needs (45 MB) into the folder, as a whole or not.

    Raises:
        Unavailable: there is no Maven, or it cannot get them.
    """
    fresh = folder.with_name(f"{folder.name}.partial")
    for old in (folder, fresh):
        shutil.rmtree(old, ignore_errors=True)
    options = ["--batch-mode", "--quiet", "-f", str(_DEFINITION), f"-DoutputDirectory={fresh}"]
    command = [program("mvn", _MAVEN_REMEDY), *options, "dependency:copy-dependencies"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"Maven cannot get Kafka's libraries: {done.stdout.strip()[:300]}")
    shutil.copy(_DEFINITION, fresh)
    fresh.rename(folder)


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    path = f"{home}/bin/java" if home else program("java", _JAVA_REMEDY)
    told = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if not version or int(version[1]) < 17:
        raise Unavailable(f"{path} will not do: {_JAVA_REMEDY}")
    return path


def _cluster_id() -> str:
    # 16 bytes in base64; the first letter is fixed, because a dash there would be an option.
    return "C" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
