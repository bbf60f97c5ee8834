"""Attack families, named once, and the libraries that realize them."""
