"""Engines Paddock starts itself, each in a process of its own."""
