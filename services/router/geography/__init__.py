"""What the rules know of countries, agencies and regions."""
