"""Cartwise: how likely a product that was just put into a cart is to be bought."""

from importlib.metadata import version

__version__ = version("cartwise")
