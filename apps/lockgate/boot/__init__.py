"""How a command line starts."""

from lockgate.boot.command_line import execute_from_command_line

__all__ = ["execute_from_command_line"]
