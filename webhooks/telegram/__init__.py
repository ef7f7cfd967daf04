"""Telegram bots: what people write to them, and what they are told.

Source of the protocol: https://core.telegram.org/bots/api (Bot API 9).
"""
