"""The pictures of the console in docs/: what they show, and how they are taken."""
