"""Tasks of text: classes of texts, encoders from scratch and checkpoints."""
