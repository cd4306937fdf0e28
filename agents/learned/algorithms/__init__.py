"""Algorithms that learn within a run: each module registers its own."""
