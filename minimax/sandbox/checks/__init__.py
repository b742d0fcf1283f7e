"""Checks of request fields, images and data URIs, as MiniMax makes them."""
