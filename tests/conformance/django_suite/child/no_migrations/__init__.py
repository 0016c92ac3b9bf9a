"""Instead of the migrations of ``postgres_tests``, where the server lacks the extensions that they create."""
