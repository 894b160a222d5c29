"""Plans and events as text, Markdown and JSON. Views take data and return strings."""
