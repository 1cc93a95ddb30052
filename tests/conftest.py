from hypothesis import settings

# Machines differ in speed; a test that is slow on one is not wrong.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
