"""The document an agency gets: rendered by its profile, masked, sealed, numbered."""
