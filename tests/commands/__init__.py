"""Tests of what a person runs in a terminal."""
