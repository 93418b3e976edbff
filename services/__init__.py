"""The services of the mesh, the libraries they share, and the ``vidare`` command."""
