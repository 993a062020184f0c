"""The whole product as processes: started as `make run` starts them, spoken to over HTTP, killed and brought back."""
