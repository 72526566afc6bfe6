"""Settings: environment variables `RISKSTREAM_…`, or a YAML file named by `RISKSTREAM_CONFIG`; the environment wins."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "RISKSTREAM_"
Port = Annotated[int, Field(ge=1, le=65535)]


class SettingsError(ValueError):
    """A setting is wrong; the message names each variable, its value and what is allowed."""


class Settings(BaseSettings):
    """All settings of all services; each service uses its part."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    instance: str = Field(default_factory=socket.gethostname, description="Stable name of this replica.")
    timezone: str = Field("UTC", description="IANA time zone of the city, for hours, days and seasons in rules.")
    kinds_dirs: Annotated[list[Path], NoDecode] = Field(
        [], description="Extra folders of kinds (*.avsc), comma-separated."
    )
    departments_file: Path | None = Field(None, description="The city's departments; built in if not set.")
    rules_dir: Path | None = Field(None, description="Folder of rules (*.yaml); the shipped rules if not set.")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0, description="/metrics, /healthz, /readyz; 0: a free port."
    )
    metrics_host: str = "127.0.0.1"

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="host:port, comma-separated.")
    kafka_session_timeout_ms: Annotated[int, Field(ge=6000, le=300000)] = 10000
    topic_prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="Put in front of every topic and group."
    )
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(12, description="Partitions of a new readings topic.")
    replication: Annotated[int, Field(ge=1, le=9)] = Field(1, description="Replication factor of a new topic.")

    checkpoint_s: Annotated[float, Field(gt=0, le=600)] = Field(5, description="How often a processor saves its state.")
    tick_s: Annotated[float, Field(gt=0, le=600)] = Field(
        10, description="How long a readings partition may be idle until the processor writes a tick into it."
    )

    mqtt_host: str = "127.0.0.1"
    mqtt_port: Port = 1883
    mqtt_username: str = ""
    mqtt_password: SecretStr = SecretStr("")
    mqtt_client_id: str = Field("", description="Stable client id; riskstream-<instance> if not set.")
    mqtt_sessions: Annotated[int, Field(ge=1, le=64)] = Field(2, description="Persistent sessions of a gateway.")
    mqtt_receive_maximum: Annotated[int, Field(ge=1, le=65535)] = Field(
        4000, description="Unacknowledged messages a session."
    )

    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    http_api_keys: Path | None = Field(None, description="File of API key hashes; required unless bound to loopback.")
    http_max_body_bytes: Annotated[int, Field(ge=1024)] = Field(16_000_000, description="Largest body, decompressed.")
    http_client_in_flight_bytes: Annotated[int, Field(ge=1024)] = Field(64_000_000, description="A client's share.")

    linger_ms: Annotated[float, Field(ge=0, le=50)] = Field(
        20, description="Longest wait for more readings of a batch."
    )
    batch_readings: Annotated[int, Field(ge=1, le=20000)] = Field(2000, description="Most readings of a batch.")
    in_flight_bytes: Annotated[int, Field(ge=1_000_000)] = Field(
        64_000_000, description="Most unacknowledged bytes of a gateway."
    )
    publish_timeout_s: Annotated[float, Field(gt=0)] = Field(10, description="How long a gateway waits for Kafka.")
    drain_s: Annotated[float, Field(gt=0)] = Field(20, description="Grace period after SIGTERM.")

    clickhouse_host: str = "127.0.0.1"
    clickhouse_port: Port = 9000
    clickhouse_http_port: Port = 8123
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr = SecretStr("")
    clickhouse_database: str = Field("riskstream", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,60}$")
    clickhouse_cluster: str = Field(
        "", description="Cluster name for ON CLUSTER and Replicated tables; empty: one server."
    )
    retention_days: Annotated[int, Field(ge=0)] = Field(
        1100, description="Raw series are kept so long after stored_at; 0: for ever."
    )
    sink_flush_ms: Annotated[int, Field(ge=10, le=60000)] = 1000
    sink_flush_rows: Annotated[int, Field(ge=1)] = 100_000
    rejected_share_limit: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="A consumer that cannot decode a larger share of a topic stops instead of rejecting it all.",
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("must be an IANA time zone such as Asia/Shanghai") from None
        return value

    @field_validator("kinds_dirs", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        return [part for part in value.split(",") if part] if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        return env_settings, init_settings


def load_settings() -> Settings:
    """The settings of this process. Raises `SettingsError` for an unknown or wrong one."""
    from_file: dict[str, Any] = {}
    config = os.environ.get(PREFIX + "CONFIG", "")
    if config:
        try:
            content = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SettingsError(f"{PREFIX}CONFIG is {config!r}: not readable as YAML: {error}") from error
        if not isinstance(content, dict):
            raise SettingsError(f"{PREFIX}CONFIG is {config!r}: must be a YAML mapping of setting names to values")
        from_file = content
    unknown = [
        name
        for name in os.environ
        if name.startswith(PREFIX)
        and name not in _OTHER
        and name.removeprefix(PREFIX).lower() not in Settings.model_fields
    ]
    if unknown:
        raise SettingsError("\n".join(f"{name} is not a setting{_did_you_mean(name)}" for name in sorted(unknown)))
    try:
        return Settings(**from_file)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(one) for one in error.errors())) from None


# read by others than the services: the config file's name, and what tests and tools look at
_OTHER = {PREFIX + name for name in ("CONFIG", "HOME", "CACHE", "RECORDINGS", "API_KEY")}


def _explain(error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else "?"
    if error["type"] == "extra_forbidden":
        return f"{PREFIX}{name.upper()} is not a setting{_did_you_mean(PREFIX + name.upper())}"
    value = "(hidden)" if "password" in name else repr(error["input"])
    return f"{PREFIX}{name.upper()} is {value}: {error['msg'].removeprefix('Value error, ')}"


def _did_you_mean(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [PREFIX + field.upper() for field in Settings.model_fields], n=1)
    return f"; did you mean {near[0]}?" if near else ""
