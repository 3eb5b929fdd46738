"""The whole road on recorded evidence, through the commands that people type."""
