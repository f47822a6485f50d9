"""The environment, read when asked for, through one object that tests can build."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from zimage_cli.errors import ConfigurationError

APP = "zimage"
CONFIG_NAME = "config.toml"
HISTORY_NAME = "history.db"
HOME = "ZIMAGE_HOME"
"""Names the one folder of settings and history, in place of the user's own."""

_XDG = {"config": ".config", "data": ".local/share"}


class Environment(NamedTuple):
    """Environment variables and the home folder; `home` is None where there is none at all."""

    variables: Mapping[str, str]
    home: Path | None

    @classmethod
    def current(cls) -> Environment:
        """Read the process's own environment, once.

        Without a usable HOME, the home folder is the one of the user's passwd entry.
        """
        variables = dict(os.environ)
        named = variables.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")
        if named and Path(named).is_absolute():
            return cls(variables, Path(named))
        return cls(variables, _passwd_home())

    def get(self, name: str) -> str | None:
        """Return a variable; None where it is not set, empty or blank."""
        value = self.variables.get(name, "")
        return value if value.strip() else None

    def expand(self, text: str) -> Path:
        """Return a path with a leading `~` or `~user` expanded.

        Raises ConfigurationError for `~` where there is no home folder.
        """
        if not text.startswith("~"):
            return Path(text)
        if text != "~" and not text.startswith(("~/", f"~{os.sep}")):
            try:
                return Path(text).expanduser()
            except RuntimeError:  # no such user: a name that begins with ~, then
                return Path(text)
        if self.home is None:
            raise ConfigurationError(
                "{value!r} begins with ~, and there is no home folder",
                hint="Set HOME, or give the whole path.",
                value=text,
            )
        return self.home / text[2:]

    def config_file(self) -> Path | None:
        """Return the path of `config.toml`, or None where no folder for it can be told."""
        folder = self._own_folder() or self._user_folder("config")
        return folder / CONFIG_NAME if folder else None

    def history_file(self) -> Path | None:
        """Return the path of `history.db`, or None where no folder for it can be told."""
        folder = self._own_folder() or self._user_folder("data")
        return folder / HISTORY_NAME if folder else None

    def require_config_file(self) -> Path:
        """Return the path of `config.toml`. Raises ConfigurationError where there can be none."""
        path = self.config_file()
        if path is None:
            raise ConfigurationError(
                "there is no home folder to keep the settings in",
                hint="Set HOME, or ZIMAGE_HOME to a folder of your choice.",
            )
        return path

    def _own_folder(self) -> Path | None:
        named = self.get(HOME)
        return Path(os.path.abspath(self.expand(named))) if named else None  # noqa: PTH100 - keeps links

    def _user_folder(self, kind: Literal["config", "data"]) -> Path | None:
        """Return the folder that platformdirs names for this process, None where there is no home.

        On Linux a variable can name a folder where there is no home.
        """
        named = self.variables.get(f"XDG_{kind.upper()}_HOME", "")
        if sys.platform != "linux":
            import platformdirs

            if self.home is None and not named.strip():
                return None
            find = platformdirs.user_config_dir if kind == "config" else platformdirs.user_data_dir
            try:
                return Path(find(APP, appauthor=False))
            except (OSError, RuntimeError):
                # The variable names no whole path.
                return None
        # Every start asks, for its language: platformdirs takes longer to load than all else.
        if named.startswith("/"):
            return Path(named, APP)
        return self.home / _XDG[kind] / APP if self.home else None


def _passwd_home() -> Path | None:
    # expanduser looks at HOME first, which is empty, relative or unset here.
    if sys.platform == "win32":
        return None
    try:
        import pwd

        home = pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return None
    return Path(home) if home.startswith("/") else None
