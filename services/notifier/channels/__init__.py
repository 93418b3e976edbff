"""How an agency is reached: one module per channel. E-mail is not offered in this version."""
