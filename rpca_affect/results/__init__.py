"""Results on disk: whose they are, how they are replaced without losing anything, and the forms they take."""
