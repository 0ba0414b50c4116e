"""Plain data to bytes and back: the model file, and files that are replaced as a whole or not at all."""
