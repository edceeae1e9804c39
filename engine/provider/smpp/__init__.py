"""``kind = "smpp"``: a provider over SMPP 3.4, an extra; why by smpp34: docs/decisions/smpp.md."""
