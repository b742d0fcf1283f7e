"""How long things may take, in one place, because each limit only works inside the next one.

Hosts cut a call at 60 seconds. A wait for a video ends at 45, the request that is under way then
may take 4 more, a call answers at 48 while its work goes on, and at 50 it is answered whatever
happens. At the end of the process, paid work gets 5 seconds and everything together 6. A test
holds this order.
"""

from typing import Final

__all__ = [
    "ANSWER_SECONDS",
    "ASK_GRACE_SECONDS",
    "ATTACH_SECONDS",
    "CALL_SECONDS",
    "CLOSING_SECONDS",
    "HOST_LIMIT_SECONDS",
    "LEAST_WORK_SECONDS",
    "LONGEST_CALL_SECONDS",
    "LONGEST_WAIT_SECONDS",
    "PAID_GRACE_SECONDS",
    "SAVE_GRACE_SECONDS",
    "UNWIND_SECONDS",
]

# --- one call ----------------------------------------------------------------------------------

ANSWER_SECONDS: Final = 45.0
"""How long a person may take to answer a question in the middle of a call."""
LEAST_WORK_SECONDS: Final = 3.0
"""What is left for the work of a call after a late answer; it then goes on by itself."""
LONGEST_WAIT_SECONDS: Final = 45
"""The most that `wait_seconds` of a query may ask for."""
ASK_GRACE_SECONDS: Final = 4.0
"""How much longer than its wait a query may take for the request that is under way."""
SAVE_GRACE_SECONDS: Final = 2.0
"""How much longer than its wait a query may take for a video that is being saved."""
CALL_SECONDS: Final = 48.0
"""After this a call answers while its work goes on."""
LONGEST_CALL_SECONDS: Final = 50.0
"""After this a call is answered in any case."""
ATTACH_SECONDS: Final = 4.0
"""How long an answer may then wait for the small images beside it; it goes without the rest."""
HOST_LIMIT_SECONDS: Final = 60.0
"""When hosts give up on a call (the TypeScript SDK's default, which most hosts keep)."""

# --- the end of the process --------------------------------------------------------------------

UNWIND_SECONDS: Final = 0.5
"""For cancelled work to close its files and connections."""
PAID_GRACE_SECONDS: Final = 5.0
"""How long the end of the server waits for a paid request; nothing else is waited for."""
CLOSING_SECONDS: Final = 5.6
"""For paid work, unwinding and closing together; what is written to the host then takes 0.3."""
