"""Validation of request fields, images and data URIs, by MiniMax's rules."""
