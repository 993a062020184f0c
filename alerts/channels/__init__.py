"""How a person is told: PagerDuty, Splunk On-Call (VictorOps), and the rest through Apprise."""
