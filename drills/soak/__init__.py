"""A long run at half of what the machine can do, with things breaking now and then: does anything grow?"""
