"""Cases of server-side apply as scripts of writes, and what a real server answers to them."""
