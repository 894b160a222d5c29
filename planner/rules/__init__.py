"""The rules of validation, V1 to V26: pure functions over bodies (docs/validation.md)."""
