"""Serving the sandbox over HTTP: sockets, routes, faults, control."""
