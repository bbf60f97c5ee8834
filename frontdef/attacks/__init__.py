"""Attack families, named once, and the libraries that realise them."""
