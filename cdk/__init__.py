"""What runs at synth: stacks that compose, and one construct a file. Never imports a package's own code."""
