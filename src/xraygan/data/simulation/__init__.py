"""A procedural chest: anatomy, projection, exposure; `xraygan.data.phantom` is its front."""
