"""Foreign and own file formats, one file each."""
