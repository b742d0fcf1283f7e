"""GET /account/query_balance: what a pay-as-you-go account has left.

MiniMax's own command line (mmx-cli 1.0.27) asks here with keys that begin with sk-api-.
"""

from typing import Any, Final

from minimax.sandbox.api_errors import make_base_resp
from minimax.sandbox.billing import Bill

CREDIT_USD: Final = 100.0


def describe_balance(bill: Bill) -> dict[str, Any]:
    """An account that began with some credit; amounts are texts with two decimals."""
    left = CREDIT_USD - sum(charge.amount_usd for charge in bill)
    return {
        "available_amount": f"{max(left, 0):.2f}",
        "cash_balance": f"{max(left, 0):.2f}",
        "voucher_balance": "0.00",
        "credit_balance": "0.00",
        "owed_amount": f"{max(-left, 0):.2f}",
        "balance_alert_switch": False,
        "balance_alert_threshold": "",
        "base_resp": make_base_resp(),
    }
