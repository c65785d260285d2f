"""What Cartwise takes beside other systems for the same work, on the same machine, in one run."""
