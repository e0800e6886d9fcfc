"""Repeatable measurements, each beside the number to beat: `./portico bench [name] [--json]`."""
