"""The standby: where it listens for Asterisk."""

from pydantic import Field

from desk.settings.group import Group, Port, prefix


class StandbySettings(Group):
    """The standby, which holds conversations while the phone door cannot."""

    model_config = prefix("STANDBY_")

    host: str = Field(
        "127.0.0.1",
        description="Where the standby listens. Only Asterisk may reach it: FastAGI has no password.",
    )
    port: Port = Field(4573, description="The port of the standby. In the dialplan it is part of `STANDBY`.")

    @property
    def address(self) -> str:
        """Host and port as in a URL: an IPv6 address has brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
