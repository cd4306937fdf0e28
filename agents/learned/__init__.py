"""Policies that learn, and models that have learned."""
