"""A SIP phone for tests, the bench and `innringing call`: rings, keys digits, answers, and records what it hears."""
