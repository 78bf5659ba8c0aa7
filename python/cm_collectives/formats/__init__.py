"""Foreign and own file formats, one per file."""
