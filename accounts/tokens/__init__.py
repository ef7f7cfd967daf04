"""Tokens: what they stand for, and what ends them.

pairs            those of sign-ins      signed_tokens  their form      families  the rows of sign-ins
personal_tokens  those of programs      token_text     their form      token_access  who may see and end them
"""

from accounts.tokens.pairs import (
    TokenPair,
    identity_of,
    issue_pair,
    page_token,
    revoke,
    rotate,
    sign_out,
    sign_out_everywhere,
    socket_identity_of,
    still_valid,
)

__all__ = [
    "TokenPair",
    "identity_of",
    "issue_pair",
    "page_token",
    "revoke",
    "rotate",
    "sign_out",
    "sign_out_everywhere",
    "socket_identity_of",
    "still_valid",
]
