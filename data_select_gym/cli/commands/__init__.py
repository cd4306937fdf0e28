"""The commands, a module each; each module registers its own."""
