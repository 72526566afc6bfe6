"""The sample city: a fictional river city with sensors of all seven kinds."""
