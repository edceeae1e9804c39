"""What follows from the contract (``proto/mailing/v1``): it is read once, and the rest of the code derives from it.

``reader`` says what a message, a field, a route is; ``codec`` turns messages into JSON and back; ``checks`` finds
fields beyond their limits; ``values`` has times, enums and free-form values. All of it knows the contract in general
and no message in particular: a new field needs nothing here.
"""
