"""Looks at everything that the services will read before anything is started."""

from __future__ import annotations

from deploy.local.supervisor import StartError


class ConfigurationError(StartError):
    """A setting, kind, department, rule or file of keys is wrong; nothing was started."""


def check_configuration() -> None:
    """Load what the services of this environment load. Raises ConfigurationError with what is wrong and where."""
    # only here, so that `riskstream down` and `status` do not load the rules' compiler
    from ingest.api_keys import KeyFile
    from processors.standard_files import load_standard
    from runtime.settings import load_settings
    from schemas.departments import load_departments
    from schemas.kinds import load_kinds

    try:
        settings = load_settings()
        kinds, departments = load_kinds(*settings.kinds_dirs), load_departments(settings.departments_file)
        if settings.http_api_keys is not None:
            KeyFile(settings.http_api_keys)
        paths = [settings.rules_dir] if settings.rules_dir else None
        load_standard(paths, kinds, departments, timezone=settings.timezone)
    except ValueError as error:  # each of the loaders raises its own kind of it
        raise ConfigurationError(f"{error}\nnothing was started") from error
