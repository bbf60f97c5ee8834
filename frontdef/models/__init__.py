"""Which model: trained here from a recipe, kept by content, read from a file, or a user's own."""
