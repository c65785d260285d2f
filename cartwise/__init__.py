"""Cartwise: how likely a product that was just put into a cart is to be bought."""
