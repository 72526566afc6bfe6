"""`riskstream keys`: API keys of the HTTP gateway."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def keys() -> None:
    """API keys of the HTTP gateway: make one, list what a file holds."""


@keys.command("new")
@click.argument("name")
@click.option("--file", "file", type=click.Path(dir_okay=False, path_type=Path), help="Add the hash to this file.")
@click.option("--kinds", default="", help="Kinds that it may write, comma-separated; all if not given.")
def new(name: str, file: Path | None, kinds: str) -> None:
    """Make a key for the client NAME. The key is shown once; only its hash is kept.

    \b
    riskstream keys new gasworks --file keys.txt
    riskstream keys new weather-service --file keys.txt --kinds rainfall,water_level
    """
    from ingest.api_keys import KeysError, new_key, read_keys

    scope = frozenset(kind for kind in kinds.split(",") if kind)
    try:
        key, line = new_key(name, scope or None)
        if file is None:
            click.echo(line, err=True)
        else:
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            text += ("" if not text or text.endswith("\n") else "\n") + line + "\n"
            read_keys(text, str(file))
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")
    except (KeysError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(key)


@keys.command("list")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def list_keys(file: Path) -> None:
    """The clients of FILE and the kinds that they may write; to revoke a key, delete its line.

    \b
    riskstream keys list keys.txt
    """
    from ingest.api_keys import KeysError, read_keys

    try:
        found = read_keys(file.read_text(encoding="utf-8"), str(file))
    except (KeysError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from None
    for key in found:
        click.echo(f"{key.name}\t{'all kinds' if key.kinds is None else ','.join(sorted(key.kinds))}")
