"""Language model: the next character of a text, from all that came before it."""
