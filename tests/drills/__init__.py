"""The drills' own judgement: what verify's ledger is made of, what fails a drill, what the table says."""
