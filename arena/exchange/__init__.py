"""Files: what people take away, and what others bring."""
