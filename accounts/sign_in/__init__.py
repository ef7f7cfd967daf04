"""Signing in by name and password, for page and API alike.

by_password  the one way in              guessing  guesses from many addresses
pending      between the two steps       trail     what the audit trail tells of it
"""

from accounts.sign_in.by_password import MAX_PASSWORD_CHARACTERS, MAX_USERNAME_CHARACTERS, user_by_password

__all__ = ["MAX_PASSWORD_CHARACTERS", "MAX_USERNAME_CHARACTERS", "user_by_password"]
