"""For tests of programs that use this package: a simulated MiniMax, folders and a clock.

    with IsolatedSandbox() as sandbox:
        my_program.make_video("A boat on a lake of tea.")
        assert sandbox.count_charges("video") == 1

`minimax.testing.pytest_plugin` has it as a pytest fixture.
"""

from minimax.testing.clock import SharedClock
from minimax.testing.isolated import IsolatedSandbox

__all__ = ["IsolatedSandbox", "SharedClock"]
