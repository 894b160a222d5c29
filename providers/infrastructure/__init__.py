"""One module for each Cluster API infrastructure provider; siblings do not know each other."""
