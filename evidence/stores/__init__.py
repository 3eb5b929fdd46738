"""Where deposits' bytes lie when they are too large for a row; anchors come here later."""
