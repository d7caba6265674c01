"""The keys that seal personal data."""

from pydantic import Field, SecretStr, field_validator

from desk.errors import SettingsError
from desk.settings.group import Group, Secret
from desk.vault.keys import KEY_ADVICE, VersionedKeys, parse_keys, words_to_hide


class VaultSettings(Group):
    """Keys: they seal personal data and find it again. Production does not start without them."""

    identity_key: Secret = Field(
        None,
        description=(
            "32 random bytes in base64 (`openssl rand -base64 32`), or several by version, that encrypt "
            "personal data. Production refuses to start without it (docs/security.md#keys)."
        ),
    )
    index_key: Secret = Field(
        None,
        description="Written the same way: a person is found again by this key. It must differ from IDENTITY_KEY.",
    )

    def keys(self) -> tuple[VersionedKeys, VersionedKeys]:
        """Return the identity keys and the index keys. Raises SettingsError when one is missing."""
        return self._keys("identity_key"), self._keys("index_key")

    def check_keys(self) -> None:
        """Raise SettingsError when a key is missing, or one is used for both."""
        identity, index = self.keys()
        if set(index.by_version.values()) & set(identity.by_version.values()):
            one, other = self.variable("index_key"), self.variable("identity_key")
            raise SettingsError(f"{one} must differ from {other}; {KEY_ADVICE}")

    def secrets(self) -> list[str]:
        """Return each key as it is written, without its version."""
        return [word for keys in super().secrets() for word in words_to_hide(keys)]

    def _keys(self, field: str) -> VersionedKeys:
        secret: SecretStr | None = getattr(self, field)
        if secret is None:
            raise SettingsError(f"{self.variable(field)} is not set; {KEY_ADVICE}")
        return parse_keys(secret.get_secret_value())

    @field_validator("identity_key", "index_key")
    @classmethod
    def _keys_of_32_bytes(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            parse_keys(key.get_secret_value())
        return key
