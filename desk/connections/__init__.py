"""The systems that the service depends on: TLS to them, and what readiness reports about them."""
