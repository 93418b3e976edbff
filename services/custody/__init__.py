"""The custody service: balances the books of the mesh, and tells everything about one tip."""
