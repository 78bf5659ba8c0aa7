"""Measurements: read them, fit the cost model of a library to them, and compare with them."""
