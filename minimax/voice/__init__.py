"""Voices: clone, design, speak, list and delete."""
