"""The one error of this package: something a person can put right, told in one line."""


class StackError(Exception):
    """Foreseeable failure. `exit_code` is 1 for the environment's fault, 2 for wrong use."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
