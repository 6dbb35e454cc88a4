"""Losses, their conjugates, penalties and the passes that compute them."""
