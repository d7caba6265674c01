"""A SIP phone for tests, benchmarks and `innringing call`. It makes and answers calls, presses keys and records."""
