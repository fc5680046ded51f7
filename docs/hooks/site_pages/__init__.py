"""Pages of the site that the code can write, and what the others need on their way there."""
