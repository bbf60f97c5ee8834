"""Which model: trained here from a recipe, kept by content, or read from a file."""
