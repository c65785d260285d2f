"""The parts of the simulated shop; ``cartwise.data.simulate`` is their public face."""
