"""The AsyncClient: the Client for programs that have a loop; threads below it."""
