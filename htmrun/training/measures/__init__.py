"""What is measured of a job: while it learns, on held-out samples, inside, and what it costs."""
