"""State hashes and figures of every shipped experiment at small size, as they once were."""
