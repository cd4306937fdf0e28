"""Text tasks: classification by encoders from scratch and checkpoints."""
