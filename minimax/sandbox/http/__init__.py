"""Serves the sandbox over HTTP: sockets, routes, faults and control routes."""
