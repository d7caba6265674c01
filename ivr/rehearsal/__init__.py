"""Rehearse conversations with simulated callers, in virtual time and without Asterisk."""
