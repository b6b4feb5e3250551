"""Webhooks: what happened, posted to addresses that an admin entered, signed as Standard Webhooks has it."""
