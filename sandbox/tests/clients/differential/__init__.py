"""The same Secrets Manager calls to moto and to the sandbox."""
