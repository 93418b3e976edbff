"""Router: which agencies must have a tip, by rules that are rows of data, and what follows from their answers."""
