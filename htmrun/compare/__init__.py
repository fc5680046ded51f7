"""What finished runs are worth: figures of arms and seeds in, statistics, tables and a page out."""
